//! The polkit agent: asks the page what polkit wants to know before it lets `pkexec` run the privileged bridge.
//!
//! It is there only while superuser access is being turned on: registered before `pkexec` starts, unregistered when
//! the privileged bridge runs or is refused. So nothing else that the user runs can bring up a question in a page, and
//! a request of another program than that one `pkexec` is declined. The answers are judged by polkit's own helper
//! ([`helper`]); this module never decides. Caller: `launch`. Source: polkit(8) and its reference manual, interfaces
//! `org.freedesktop.PolicyKit1.Authority` and `.AuthenticationAgent`.

mod helper;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use protocol::problem::Problem;
use protocol::secret::Secret;
use tokio::sync::{mpsc, oneshot};
use zbus::connection::Builder;
use zbus::message::Header;
use zbus::{Connection, OwnedVariant, Variant};

use self::helper::{Asking, Outcome};
use super::Question;
use crate::channel::Closed;

/// polkit's name on the system bus.
const AUTHORITY: &str = "org.freedesktop.PolicyKit1";
const AUTHORITY_PATH: &str = "/org/freedesktop/PolicyKit1/Authority";
const AUTHORITY_INTERFACE: &str = "org.freedesktop.PolicyKit1.Authority";

/// Where our object is.
const AGENT_PATH: &str = "/org/freedesktop/PolicyKit1/AuthenticationAgent";

/// Errors of the bus, and of systemd on its behalf, when a service is not there: the beginnings of their names.
const NOBODY_THERE: [&str; 4] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.",
    "org.freedesktop.systemd1.",
];

/// How long polkit may take to answer us (R15): it answers at once, but may have to be started.
const CALL_TIME: Duration = Duration::from_secs(15);

/// Which process asked polkit: a member of the details, from polkitd itself.
const CALLER_PID: &str = "polkit.caller-pid";

/// Requests that may wait; polkit sends one at a time.
const WAITING_EVENTS: usize = 4;

/// How often an answer may be wrong, as with sudo.
const TRIES: u32 = 3;

/// What polkit authenticates for: a kind and its members.
type Subject = (&'static str, HashMap<&'static str, OwnedVariant>);

/// Whose authentication would do: a kind and its members.
type Identity = (String, HashMap<String, OwnedVariant>);

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum AgentError {
    /// There is no way to polkit.
    #[error("polkit cannot be asked: there is no system bus ({0})")]
    NoBus(zbus::Error),
    /// Nobody answers for polkit, and the bus could not start it.
    #[error("polkit is not running on this machine ({0})")]
    NotRunning(String),
    /// It is there, but hangs.
    #[error("polkit does not answer within {} seconds", CALL_TIME.as_secs())]
    Silent,
    /// polkit takes no agent for us; another may be there already.
    #[error("polkit lets nothing ask questions in this session: {0}")]
    Refused(zbus::Error),
}

/// A registered agent. Dropping it declines what is being asked and unregisters it.
pub(super) struct Agent {
    _registered: Registered,
    events: mpsc::Receiver<Event>,
    ask: mpsc::Sender<Question>,
    /// The password of the login, for one question to the user itself.
    password: Option<Arc<Secret>>,
    /// The process whose requests are answered.
    caller: Option<u32>,
    /// How the last request ended.
    outcome: Option<Outcome>,
}

/// What is unregistered with the agent.
struct Registered {
    connection: Connection,
    subject: Subject,
}

/// What polkit tells the agent.
enum Event {
    Begin(Request),
    /// The request with this cookie is no longer wanted.
    Cancel(String),
}

/// A request of polkit's to authenticate somebody.
struct Request {
    message: String,
    caller: Option<u32>,
    cookie: String,
    identities: Vec<Identity>,
    /// Where the end is told; dropping it declines.
    ended: oneshot::Sender<Result<(), Declined>>,
}

/// What polkit is told when nobody was authenticated.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.PolicyKit1.Error")]
enum Declined {
    #[zbus(error)]
    Bus(zbus::Error),
    /// The user gave up.
    Cancelled(String),
    /// It was not answered, or not rightly.
    Failed(String),
}

/// The object that polkit calls.
struct Object {
    /// polkit's unique name: nobody else may ask.
    authority: String,
    events: mpsc::Sender<Event>,
}

#[zbus::interface(name = "org.freedesktop.PolicyKit1.AuthenticationAgent")]
impl Object {
    /// Authenticates one of `identities`; returns when that has succeeded or failed.
    #[expect(clippy::too_many_arguments, reason = "polkit's interface")]
    async fn begin_authentication(
        &self,
        #[expect(unused_variables, reason = "the message says it")] action_id: String,
        message: String,
        #[expect(unused_variables, reason = "questions have no pictures")] icon_name: String,
        details: HashMap<String, String>,
        cookie: String,
        identities: Vec<Identity>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Declined> {
        self.refuse_others(&header)?;
        let caller = details.get(CALLER_PID).and_then(|pid| pid.parse().ok());
        let (ended, end) = oneshot::channel();
        let request = Request { message, caller, cookie, identities, ended };
        let _the_agent_may_be_gone = self.events.send(Event::Begin(request)).await;
        let declined = || Declined::Failed("nobody answers questions now".to_owned());
        end.await.unwrap_or_else(|_| Err(declined()))
    }

    /// Withdraws a request.
    async fn cancel_authentication(
        &self,
        cookie: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Declined> {
        self.refuse_others(&header)?;
        let _the_agent_may_be_gone = self.events.send(Event::Cancel(cookie)).await;
        Ok(())
    }
}

impl Object {
    fn refuse_others(&self, header: &Header<'_>) -> Result<(), Declined> {
        if header
            .sender()
            .is_some_and(|name| name.as_str() == self.authority)
        {
            return Ok(());
        }
        Err(Declined::Failed("only polkit may ask".to_owned()))
    }
}

impl Agent {
    /// Registers an agent whose questions go to `ask`. The first that is put to this bridge's own user and hides what
    /// is typed may be answered by `password`.
    ///
    /// # Errors
    ///
    /// [`AgentError`] when polkit is not there or takes none.
    pub(super) async fn register(
        ask: mpsc::Sender<Question>,
        password: Option<Arc<Secret>>,
    ) -> Result<Self, AgentError> {
        let connection = Builder::system().method_timeout(CALL_TIME).build().await;
        let connection = connection.map_err(AgentError::NoBus)?;
        let (registered, authority) = register_one_of(connection).await?;
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let object = Object { authority, events: sender };
        let server = registered.connection.object_server();
        server
            .at(AGENT_PATH, object)
            .await
            .map_err(AgentError::Refused)?;
        Ok(Self { _registered: registered, events, ask, password, caller: None, outcome: None })
    }

    /// From now on the requests of this process are answered.
    pub(super) fn answer_for(&mut self, process: Option<u32>) {
        self.caller = process;
    }

    /// Answers polkit's requests for as long as it is polled.
    pub(super) async fn answer_all(&mut self) -> Infallible {
        loop {
            match self.events.recv().await {
                Some(Event::Begin(request)) => self.answer(request).await,
                Some(Event::Cancel(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// Why access was not given, when that was for an answer or for want of one.
    pub(super) fn refusal(&self) -> Option<Closed> {
        let (problem, message) = match self.outcome.as_ref()? {
            Outcome::Granted => return None,
            Outcome::GivenUp => (Problem::AccessDenied, "the question was not answered".to_owned()),
            Outcome::Refused(said) => {
                (Problem::AccessDenied, format!("polkit does not accept the answer: {said}"))
            }
            Outcome::Impossible(why) => (Problem::InternalError, why.clone()),
        };
        Some(Closed::new(problem, message))
    }

    async fn answer(&mut self, request: Request) {
        if self.caller.is_none() || request.caller != self.caller {
            let message = "only superuser access is asked for here".to_owned();
            let _polkit_may_not_wait = request.ended.send(Err(Declined::Failed(message)));
            return;
        }
        let asking = authenticate(&request, &self.ask, &mut self.password);
        let outcome = unless_withdrawn(asking, &request.cookie, &mut self.events).await;
        let told = match &outcome {
            Outcome::Granted => Ok(()),
            Outcome::GivenUp => Err(Declined::Cancelled("the user gave up".to_owned())),
            Outcome::Refused(why) | Outcome::Impossible(why) => Err(Declined::Failed(why.clone())),
        };
        self.outcome = Some(outcome);
        let _polkit_may_not_wait = request.ended.send(told);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let (connection, subject) = (self.connection.clone(), std::mem::take(&mut self.subject.1));
        let kind = self.subject.0;
        let unregister = async move {
            let arguments = ((kind, subject), AGENT_PATH);
            let _polkit_forgets_it_anyway =
                call(&connection, "UnregisterAuthenticationAgent", &arguments).await;
            let _it_may_be_broken = connection.close().await;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(unregister);
        }
    }
}

/// Registers for the first subject that polkit takes; gives also polkit's unique name.
async fn register_one_of(connection: Connection) -> Result<(Registered, String), AgentError> {
    let mut refusal = AgentError::NotRunning("it was not asked".to_owned());
    let session = session_subject(&connection).await;
    for subject in session.into_iter().chain(process_subject()) {
        let arguments = (&subject, locale(), AGENT_PATH);
        match call(&connection, "RegisterAuthenticationAgent", &arguments).await {
            Ok(reply) => {
                let authority = reply.header().sender().map(ToString::to_string);
                let registered = Registered { connection, subject };
                return Ok((registered, authority.unwrap_or_default()));
            }
            Err(error) => match registration_error(error) {
                refused @ AgentError::Refused(_) => refusal = refused,
                hopeless @ (AgentError::NoBus(_)
                | AgentError::NotRunning(_)
                | AgentError::Silent) => return Err(hopeless),
            },
        }
    }
    Err(refusal)
}

fn registration_error(error: zbus::Error) -> AgentError {
    if let zbus::Error::MethodError(name, said, _) = &error
        && NOBODY_THERE.iter().any(|prefix| name.starts_with(prefix))
    {
        return AgentError::NotRunning(said.clone().unwrap_or_else(|| name.to_string()));
    }
    if let zbus::Error::InputOutput(failed) = &error
        && failed.kind() == std::io::ErrorKind::TimedOut
    {
        return AgentError::Silent;
    }
    AgentError::Refused(error)
}

async fn call<B>(
    connection: &Connection,
    method: &str,
    arguments: &B,
) -> zbus::Result<zbus::Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let authority = Some(AUTHORITY);
    connection
        .call_method(authority, AUTHORITY_PATH, Some(AUTHORITY_INTERFACE), method, arguments)
        .await
}

/// The logind session that this bridge is in, if there is one: an agent for all its processes.
async fn session_subject(connection: &Connection) -> Option<Subject> {
    let id = match std::env::var("XDG_SESSION_ID") {
        Ok(id) if !id.is_empty() => id,
        _ => session_of_this_process(connection).await?,
    };
    Some(("unix-session", HashMap::from([("session-id", owned(id.into())?)])))
}

async fn session_of_this_process(connection: &Connection) -> Option<String> {
    const LOGIND: &str = "org.freedesktop.login1";
    let manager = Some("org.freedesktop.login1.Manager");
    let pid = &(std::process::id(),);
    let reply = connection
        .call_method(Some(LOGIND), "/org/freedesktop/login1", manager, "GetSessionByPID", pid)
        .await
        .ok()?;
    let session: zbus::OwnedObjectPath = reply.body().deserialize().ok()?;
    let properties = Some("org.freedesktop.DBus.Properties");
    let id = &("org.freedesktop.login1.Session", "Id");
    let reply = connection
        .call_method(Some(LOGIND), session, properties, "Get", id)
        .await
        .ok()?;
    let id: OwnedVariant = reply.body().deserialize().ok()?;
    String::try_from(id).ok()
}

/// This process: `pkexec` asks for its parent.
fn process_subject() -> Option<Subject> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let uid = i32::try_from(rustix::process::geteuid().as_raw()).ok()?;
    let members = HashMap::from([
        ("pid", owned(std::process::id().into())?),
        ("start-time", owned(start_time(&stat)?.into())?),
        ("uid", owned(uid.into())?),
    ]);
    Some(("unix-process", members))
}

/// When a process was started, in clock ticks since boot, from its line in `/proc/PID/stat`: field 22 of `proc(5)`.
/// The second field, the name, may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn owned(variant: Variant<'_>) -> Option<OwnedVariant> {
    OwnedVariant::try_from(variant).ok()
}

/// The language of polkit's messages: that of the session.
fn locale() -> String {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.unwrap_or_else(|| "C.UTF-8".to_owned())
}

/// The outcome of `asking`; polkit may lose interest before.
async fn unless_withdrawn(
    asking: impl Future<Output = Outcome>,
    cookie: &str,
    events: &mut mpsc::Receiver<Event>,
) -> Outcome {
    let mut asking = std::pin::pin!(asking);
    loop {
        tokio::select! {
            outcome = &mut asking => return outcome,
            Some(event) = events.recv() => match event {
                Event::Cancel(cancelled) if cancelled == cookie => return Outcome::GivenUp,
                // One is asked at a time: dropping a second request declines it.
                Event::Cancel(_) | Event::Begin(_) => {}
            },
        }
    }
}

async fn authenticate(
    request: &Request,
    ask: &mpsc::Sender<Question>,
    password: &mut Option<Arc<Secret>>,
) -> Outcome {
    let own = rustix::process::geteuid().as_raw();
    let Some(uid) = chosen(&uids(&request.identities), own) else {
        return Outcome::Impossible("polkit names no user who could allow this".to_owned());
    };
    let Ok(Some(entry)) = nix::unistd::User::from_uid(uid.into()) else {
        return Outcome::Impossible(format!("there is no user with the uid {uid}"));
    };
    let message = if uid == own {
        request.message.clone()
    } else {
        format!("{}\nThe question is for the user {}.", request.message, entry.name)
    };
    let mut nobodys = None;
    let password = if uid == own { password } else { &mut nobodys };
    let mut asking = Asking { ask, message, error: String::new(), password };
    let mut outcome = Outcome::GivenUp;
    for _try in 0..TRIES {
        outcome = match helper::connect(&entry.name, &request.cookie).await {
            Ok(mut conversation) => conversation.run(&mut asking).await,
            Err(error) => return Outcome::Impossible(error.to_string()),
        };
        match &outcome {
            Outcome::Refused(said) => asking.error.clone_from(said),
            Outcome::Granted | Outcome::GivenUp | Outcome::Impossible(_) => return outcome,
        }
    }
    outcome
}

/// The uids among the identities, in polkit's order. Groups it resolves itself; other kinds nobody can prove.
fn uids(identities: &[Identity]) -> Vec<u32> {
    let uid = |(kind, members): &Identity| match kind.as_str() {
        "unix-user" => u32::try_from(members.get("uid")?).ok(),
        _ => None,
    };
    identities.iter().filter_map(uid).collect()
}

/// Who is asked: the user itself if that will do, else root, else the first that polkit named.
fn chosen(uids: &[u32], own: u32) -> Option<u32> {
    [own, 0]
        .into_iter()
        .find(|uid| uids.contains(uid))
        .or_else(|| uids.first().copied())
}

#[test]
fn the_user_itself_is_asked_before_root_and_root_before_others() {
    assert_eq!(chosen(&[0, 1001, 1000], 1000), Some(1000));
    assert_eq!(chosen(&[1001, 0], 1000), Some(0));
    assert_eq!(chosen(&[1002, 1001], 1000), Some(1002));
    assert_eq!(chosen(&[], 1000), None);
}

#[test]
fn the_start_time_is_found_behind_a_name_with_brackets_and_spaces() {
    let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 8127 9 10";

    assert_eq!(start_time(stat), Some(8127));
}

#[test]
fn only_users_among_the_identities_can_be_asked() {
    let members = |name: &str, id: u32| {
        HashMap::from([(name.to_owned(), OwnedVariant::try_from(Variant::from(id)).unwrap())])
    };
    let identities = [
        ("unix-group".to_owned(), members("gid", 27)),
        ("unix-user".to_owned(), members("uid", 1000)),
    ];

    assert_eq!(uids(&identities), [1000]);
}
