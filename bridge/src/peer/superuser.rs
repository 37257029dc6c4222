//! Superuser access: whether there is a privileged bridge, and how it is started and ended.
//!
//! The router asks for the peer of each channel with `superuser`; the internal object `/superuser` shows the state and
//! turns it on and off. A method ([`Method`]) is a program that makes this very bridge run as root, after asking the
//! user whatever it wants ([`Question`]). The first question of a start is answered by the password of the login, if its
//! user ticked that box; no other answer is kept.

pub mod askpass;
mod launch;
mod polkit_agent;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit::{Entry, Event, Field, Journal};
use protocol::control::Init;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use protocol::secret::Secret;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Bridge;
use crate::channel::Closed;
use crate::peer::{Greeting, Peer, PeerId, Upstream};

/// How long a person may take for all questions of one start.
const QUESTIONS_TIME: Duration = Duration::from_mins(5);

/// A way to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `sudo(8)`, which asks through an askpass program.
    Sudo,
    /// `pkexec(1)`, which asks through polkit's agent: this bridge, while it starts.
    Pkexec,
}

/// Why there is no such way to become root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMethod {
    /// None of the methods is there.
    #[error("neither sudo nor pkexec is installed on this machine")]
    Any,
    /// Its program is not there.
    #[error("{} is not installed on this machine", .0.name())]
    Missing(Method),
    /// No method has this name.
    #[error("there is no method {0:?} to become root")]
    Unknown(String),
}

/// What a method asks, for the user to answer.
#[derive(Debug)]
pub struct Question {
    /// What it is about, and what the user should know first; may be empty and may have lines.
    pub message: String,
    /// Its text, as the method put it.
    pub prompt: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: Echo,
    /// What went wrong since the question before; may be empty.
    pub error: String,
    /// Where the answer goes; an empty one, or dropping it, gives up.
    pub answer: oneshot::Sender<Secret>,
}

/// Whether an answer may be seen while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It may.
    On,
    /// It is a secret.
    Off,
}

/// Superuser access of one session.
#[derive(Debug)]
pub struct Superuser {
    access: Mutex<Access>,
    /// The password of the login: tried for one question of each start.
    password: Option<KeptPassword>,
    /// Changes with every change of the state.
    current: watch::Sender<Current>,
}

#[derive(Debug, Default)]
enum Access {
    #[default]
    Off,
    Starting(Start),
    On(Peer),
}

/// Tells one start from the next: the first may still be ending when the second has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start(u64);

/// The state, as a page is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// No privileged bridge runs.
    Off,
    /// One is being started.
    Starting,
    /// One runs, started by this method.
    On(Method),
    /// None is needed: this bridge is root's.
    Root,
}

impl Method {
    /// All methods, the one that is tried first at the front.
    pub const ALL: [Self; 2] = [Self::Sudo, Self::Pkexec];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Pkexec => "pkexec",
        }
    }

    /// The method of this name, when this machine has it; `any` is the first that it has.
    ///
    /// # Errors
    ///
    /// [`NoMethod`] says what is missing.
    pub fn named(name: &str) -> Result<Self, NoMethod> {
        if name == "any" {
            return Self::available().next().ok_or(NoMethod::Any);
        }
        let known = Self::ALL.into_iter().find(|method| method.name() == name);
        let method = known.ok_or_else(|| NoMethod::Unknown(name.to_owned()))?;
        match launch::program_of(method) {
            Some(_) => Ok(method),
            None => Err(NoMethod::Missing(method)),
        }
    }

    /// The methods whose programs this machine has.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|method| launch::program_of(*method).is_some())
    }
}

impl Current {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Starting => "init",
            Self::On(method) => method.name(),
            Self::Root => "root",
        }
    }
}

impl Superuser {
    /// Access is off; `password` may answer one question of each start.
    pub fn new(password: Option<Secret>) -> Self {
        let root = rustix::process::geteuid().is_root();
        Self {
            access: Mutex::default(),
            password: password.map(KeptPassword::new),
            current: watch::Sender::new(if root { Current::Root } else { Current::Off }),
        }
    }

    /// The privileged bridge, when access is on.
    pub fn peer(&self) -> Option<Peer> {
        match &*self.lock() {
            Access::Off | Access::Starting(_) => None,
            Access::On(peer) => Some(peer.clone()),
        }
    }

    /// The password of the login, if its user wants it used for superuser access and other hosts.
    pub fn login_password(&self) -> Option<Arc<Secret>> {
        self.password
            .as_ref()
            .map(|kept| Arc::clone(&kept.password))
    }

    /// The state, and all its changes.
    pub fn current(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    fn begin(&self) -> Result<Start, Closed> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut access = self.lock();
        if !matches!(*access, Access::Off) || *self.current.borrow() == Current::Root {
            let message = "superuser access is on already, or being turned on";
            return Err(Closed::new(Problem::AccessDenied, message));
        }
        let start = Start(NEXT.fetch_add(1, Ordering::Relaxed));
        *access = Access::Starting(start);
        self.current.send_replace(Current::Starting);
        Ok(start)
    }

    /// Takes the started bridge, unless it was turned off meanwhile.
    fn finish(&self, start: Start, method: Method, peer: Peer) -> Result<(), Closed> {
        let mut access = self.lock();
        if !access.is_starting(start) {
            return Err(turned_off());
        }
        *access = Access::On(peer);
        self.current.send_replace(Current::On(method));
        Ok(())
    }

    /// Ends a start that has come to nothing; another that was begun meanwhile goes on.
    fn give_up(&self, start: Start) {
        let mut access = self.lock();
        if access.is_starting(start) {
            *access = Access::Off;
            self.current.send_replace(Current::Off);
        }
    }

    /// Waits until this start was turned off, or has been finished.
    async fn not_starting(&self, start: Start) {
        let mut current = self.current.subscribe();
        while self.lock().is_starting(start) && current.changed().await.is_ok() {}
    }

    fn off(&self) -> Access {
        let mut access = self.lock();
        let was = std::mem::take(&mut *access);
        if !matches!(was, Access::Off) {
            self.current.send_replace(Current::Off);
        }
        if matches!(was, Access::On(_)) {
            record(&Entry::new(Event::SuperuserEnded));
        }
        was
    }

    fn lock(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access {
    fn is_starting(&self, start: Start) -> bool {
        matches!(self, Self::Starting(current) if *current == start)
    }
}

impl Bridge {
    /// Starts a privileged bridge and waits until it greets. Questions go to `ask`; when nobody receives them, they are
    /// given up.
    ///
    /// # Errors
    ///
    /// [`Closed`] says what the method said: a wrong password, no right, no such program.
    pub async fn turn_superuser_on(
        self: &Arc<Self>,
        method: Method,
        ask: mpsc::Sender<Question>,
    ) -> Result<(), Closed> {
        let start = self.superuser.begin()?;
        let launching = self.launch(start, method, ask);
        let started = match tokio::time::timeout(QUESTIONS_TIME, launching).await {
            Ok(launched) => launched.and_then(|peer| self.superuser.finish(start, method, peer)),
            Err(_) => Err(Closed::new(Problem::Timeout, "the questions were not answered in time")),
        };
        if started.is_err() {
            self.superuser.give_up(start);
        }
        let event = if started.is_ok() { Event::SuperuserGained } else { Event::SuperuserDenied };
        let mut entry = Entry::new(event)
            .with(Field::User, &self.user().name)
            .with(Field::Method, method.name());
        if let Err(why) = &started {
            entry = entry.with(Field::Reason, why.problem.code());
        }
        record(&entry);
        started
    }

    /// Ends the privileged bridge, and with it all its channels. Does nothing when access is off.
    pub fn turn_superuser_off(&self) {
        if let Access::On(peer) = self.superuser.off() {
            self.gone(peer.id(), turned_off());
        }
    }

    async fn launch(
        self: &Arc<Self>,
        start: Start,
        method: Method,
        ask: mpsc::Sender<Question>,
    ) -> Result<Peer, Closed> {
        let (greeted, mut greeting) = oneshot::channel::<Result<Init, Closed>>();
        let kept = self.superuser.password.as_ref();
        let password = kept.map(|kept| Arc::clone(&kept.password));
        let launch = launch::Launch { user: self.user().name.clone(), method, ask, password };
        let host = self.host().unwrap_or("localhost").to_owned();
        let watched = Arc::new(Watched(Arc::clone(self)));
        let told = Greeting { host, superuser: None };
        let peer = Peer::start(launch, told, watched, |outcome| {
            let _turned_off_meanwhile = greeted.send(outcome);
        });
        tokio::select! {
            outcome = &mut greeting => {
                outcome.unwrap_or_else(|_| Err(turned_off()))?;
                Ok(peer)
            }
            () = self.superuser.not_starting(start) => Err(turned_off()),
        }
    }
}

/// A password in memory that is never written to swap (T19), where the kernel allows locked memory.
struct KeptPassword {
    password: Arc<Secret>,
    _locked: Option<region::LockGuard>,
}

impl KeptPassword {
    fn new(password: Secret) -> Self {
        let locked = region::lock(password.expose().as_ptr(), password.len());
        Self { password: Arc::new(password), _locked: locked.ok() }
    }
}

impl std::fmt::Debug for KeptPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.password.fmt(f)
    }
}

/// Writes into the audit log, in the user's name: journald adds who has really written it. Who became root says sudo's or
/// polkit's own line; without a journal nobody is told.
fn record(entry: &Entry) {
    let _no_ears = Journal::open().map(|journal| journal.send(entry));
}

fn turned_off() -> Closed {
    Closed::new(Problem::Terminated, "superuser access was turned off")
}

/// What the privileged bridge says goes to the page; its end turns access off.
struct Watched(Arc<Bridge>);

impl Upstream for Watched {
    fn data(&self, peer: PeerId, channel: &ChannelId, payload: &[u8]) {
        self.0.data(peer, channel, payload);
    }

    fn control(
        &self,
        peer: PeerId,
        channel: &ChannelId,
        control: &protocol::control::Control,
        message: &[u8],
    ) {
        self.0.control(peer, channel, control, message);
    }

    async fn room(&self) {
        self.0.room().await;
    }

    fn gone(&self, peer: PeerId, why: Closed) {
        if self
            .0
            .superuser
            .peer()
            .is_some_and(|current| current.id() == peer)
        {
            self.0.superuser.off();
        }
        self.0.gone(peer, why);
    }
}
