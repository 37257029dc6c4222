//! `/superuser`: turns superuser access on and off, and asks what that takes to be asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use protocol::secret::Secret;
use tokio::sync::{mpsc, oneshot};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, Variant};

use crate::Bridge;
use crate::peer::superuser::{Echo, Method, Question};

/// Where the object is.
pub(super) const PATH: &str = "/superuser";

/// The object.
pub(super) struct Superuser {
    bridge: Weak<Bridge>,
    /// The question that was asked last and has no answer yet.
    pending: Mutex<Option<Pending>>,
    /// How many starts were asked for.
    starts: AtomicU64,
}

/// Tells the questions of one start from those of another: one that is refused leaves the other's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start(u64);

/// A question that waits for its answer.
struct Pending {
    start: Start,
    asked: Asked,
    answer: oneshot::Sender<Secret>,
}

/// Message, prompt, default, echo and error, as `Prompt` has them.
type Asked = (String, String, String, bool, String);

/// Why access was not turned on.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cockpit.Superuser")]
pub(super) enum SuperuserError {
    #[zbus(error)]
    Bus(zbus::Error),
    /// What the method said.
    Error(String),
}

impl Superuser {
    /// The object of `bridge`.
    pub(super) fn new(bridge: &Arc<Bridge>) -> Self {
        Self {
            bridge: Arc::downgrade(bridge),
            pending: Mutex::default(),
            starts: AtomicU64::default(),
        }
    }

    async fn ask(
        &self,
        start: Start,
        question: Question,
        emitter: &SignalEmitter<'_>,
    ) -> zbus::Result<()> {
        let echo = question.echo == Echo::On;
        let Question { message, prompt, error, answer, .. } = question;
        let asked = (message.clone(), prompt.clone(), String::new(), echo, error.clone());
        *self.lock() = Some(Pending { start, asked, answer });
        // The signal first: pages that know only that have their question at once.
        Self::prompt(emitter, &message, &prompt, "", echo, &error).await?;
        self.pending_changed(emitter).await
    }

    /// Takes the question back, if it is wanted: it was answered, or nobody waits for the answer.
    async fn settle(
        &self,
        wanted: impl Fn(&Pending) -> bool,
        emitter: &SignalEmitter<'_>,
    ) -> Option<Pending> {
        let pending = self.lock().take_if(|pending| wanted(pending));
        if pending.is_some() {
            let _nobody_listens = self.pending_changed(emitter).await;
        }
        pending
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::unused_self, reason = "properties are methods")]
#[zbus::interface(name = "cockpit.Superuser")]
impl Superuser {
    /// Names of the methods that this machine has.
    #[zbus(property)]
    fn bridges(&self) -> Vec<String> {
        Method::available()
            .map(|method| method.name().to_owned())
            .collect()
    }

    /// `none`, `init` while one is started, `root` when none is needed, else the name of the method.
    #[zbus(property)]
    fn current(&self) -> String {
        let current = self
            .bridge
            .upgrade()
            .map(|bridge| *bridge.superuser.current().borrow());
        current.map_or("none", |current| current.name()).to_owned()
    }

    /// What people call the methods.
    #[zbus(property)]
    fn methods(&self) -> HashMap<String, OwnedVariant> {
        let label = |method: Method| {
            let label = HashMap::from([("label", Variant::from(method.name()))]);
            Some((method.name().to_owned(), OwnedVariant::try_from(Variant::from(label)).ok()?))
        };
        Method::available().filter_map(label).collect()
    }

    /// The question that waits for its answer, for a page that came after it was asked: empty, or one entry with what
    /// `Prompt` said. Ours; stock bridges have no such property.
    #[zbus(property)]
    fn pending(&self) -> Vec<Asked> {
        self.lock()
            .iter()
            .map(|pending| pending.asked.clone())
            .collect()
    }

    /// Turns access on by a method, or by the first there is (`any`); returns when it is on.
    async fn start(
        &self,
        name: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), SuperuserError> {
        let gone = || SuperuserError::Error("the bridge is ending".to_owned());
        let bridge = self.bridge.upgrade().ok_or_else(gone)?;
        let method =
            Method::named(name).map_err(|error| SuperuserError::Error(error.to_string()))?;
        let start = Start(self.starts.fetch_add(1, Ordering::Relaxed));
        let (ask, mut questions) = mpsc::channel(1);
        let mut starting = std::pin::pin!(bridge.turn_superuser_on(method, ask));
        loop {
            tokio::select! {
                started = &mut starting => {
                    self.settle(|pending| pending.start == start, &emitter).await;
                    return started.map_err(|closed| SuperuserError::Error(closed.message));
                }
                Some(question) = questions.recv() => self.ask(start, question, &emitter).await?,
            }
        }
    }

    /// Turns access off, also while it is being turned on.
    fn stop(&self) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.turn_superuser_off();
        }
    }

    /// Answers the last question. An empty answer gives up.
    async fn answer(&self, answer: String, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        let answer = Secret::from(answer);
        if let Some(waiting) = self.settle(|_| true, &emitter).await {
            let _it_was_given_up = waiting.answer.send(answer);
        }
    }

    /// Asks the user of the page for something.
    #[zbus(signal)]
    async fn prompt(
        emitter: &SignalEmitter<'_>,
        message: &str,
        prompt: &str,
        default: &str,
        echo: bool,
        error: &str,
    ) -> zbus::Result<()>;
}

/// Tells of changes for as long as the objects are there.
pub(super) fn follow(objects: &Connection, bridge: &Bridge) {
    let server = objects.object_server().clone();
    let mut current = bridge.superuser.current();
    tokio::spawn(async move {
        let Ok(superuser) = server.interface::<_, Superuser>(PATH).await else { return };
        while current.changed().await.is_ok() {
            let object = superuser.get().await;
            let _nobody_listens = object.current_changed(superuser.signal_emitter()).await;
        }
    });
}
