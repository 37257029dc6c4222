//! The root helper of one login: PAM, becoming the user, starting the bridge, closing the session.
//!
//! `serve` has no privilege; it connects to a helper, which `cli` runs with that connection as standard input. One
//! process serves one login from the first request to the end of the session, on one thread, because PAM modules act
//! on the process they run in. It reads nothing but the requests of [`messages`] in the order of [`monitor`], and
//! nothing at all once the bridge runs.

mod become_user;
mod connection;
mod dialogue;
pub mod messages;
pub mod monitor;
mod pam;
mod password_floor;
mod start_bridge;

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::Duration;

use become_user::{Privilege, Protected};
use connection::Connection;
use dialogue::Dialogue;
use messages::{BridgeEnd, Message, MessageError, Refusal, Reply, Request};
use monitor::Stage;
pub use pam::service_available;
pub use rustix::process::Uid;
use rustix::process::{getpid, set_child_subreaper};
pub use start_bridge::{BridgeProgram, LOGIN_MESSAGES_FD, PASSWORD_FD};

/// What the helper is told by the command line it is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the PAM service.
    pub service: String,
    /// The only user whose process may be at the other end; `None` leaves that to the socket's permissions.
    pub allowed_peer: Option<Uid>,
    /// What is started as the user.
    pub bridge: BridgeProgram,
    /// How long things may take.
    pub limits: Limits,
}

/// Times after which the helper ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest silence of the client when a request is waited for.
    pub answer_within: Duration,
    /// From the start of the helper to the answer that lets in, in whole seconds, hanging PAM modules included.
    pub log_in_within: Duration,
    /// From the request for the bridge to its start, in whole seconds; longer than any client waits for it.
    pub open_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_mins(1),
            log_in_within: Duration::from_mins(10),
            open_within: Duration::from_mins(2),
        }
    }
}

/// How a helper that did its work has ended.
#[derive(Debug)]
pub enum Outcome {
    /// There was a session; it is closed.
    Ended(BridgeEnd),
    /// There was none.
    Refused {
        /// What the client was told.
        reason: Refusal,
        /// For the log: the step of PAM that failed and its words.
        cause: String,
    },
}

/// Why a helper could not do its work. Nothing is sent to the client: it hangs up.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The client is told of it; [`run`] turns it into [`Outcome::Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else than the server has connected.
    #[error("a process of user {0} has connected, who may not")]
    WrongPeer(u32),
    /// The client has gone, or said nothing in time.
    #[error("the client has hung up or was silent for too long")]
    HungUp,
    /// The client does not speak the protocol.
    #[error("bad message from the client: {0}")]
    Message(#[from] MessageError),
    /// The client asked for what is not permitted.
    #[error("the client made a request that is not permitted while {0:?}")]
    NotPermitted(Stage),
    /// A system call failed; standard input may be no unix socket.
    #[error("system call failed: {0}")]
    System(io::Error),
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        // A read whose time is over says that it would block.
        let gone = [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
            ErrorKind::WouldBlock,
        ];
        if gone.contains(&error.kind()) { Self::HungUp } else { Self::System(error) }
    }
}

impl From<rustix::io::Errno> for SessionError {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// A login that was refused.
#[derive(Debug, thiserror::Error)]
#[error("login refused: {cause}")]
pub struct Refused {
    reason: Refusal,
    cause: String,
    messages: Vec<Message>,
}

impl Refused {
    fn new(reason: Refusal, cause: String) -> Self {
        Self { reason, cause, messages: Vec::new() }
    }
}

/// Serves the login that waits on standard input; returns when it is over. The process must have one thread.
///
/// # Errors
///
/// [`SessionError`] but never [`SessionError::Refused`]: the client broke the rules or went away, or the system failed.
pub fn run(options: &Options) -> Result<Outcome, SessionError> {
    let protected = become_user::protect_this_process()?;
    become_user::end_this_process_after(options.limits.log_in_within);
    let connection =
        Connection::take_standard_input(options.allowed_peer, options.limits.answer_within)?;
    match log_in(options, &connection, protected) {
        Ok(end) => Ok(Outcome::Ended(end)),
        Err(SessionError::Refused(Refused { reason, cause, messages })) => {
            connection.send(&Reply::Refused { reason, messages }, &[])?;
            Ok(Outcome::Refused { reason, cause })
        }
        Err(error) => Err(error),
    }
}

/// One login, from the first request to the end of the session.
fn log_in(
    options: &Options,
    connection: &Connection,
    protected: Protected,
) -> Result<BridgeEnd, SessionError> {
    let privilege = Privilege::of_this_process();
    let Request::Authenticate { user, password, remote_host, reuse_password } =
        connection.receive(Stage::Greeting)?
    else {
        return Err(SessionError::NotPermitted(Stage::Greeting));
    };
    let dialogue = Dialogue::new(connection.clone(), password, reuse_password);
    let attempt = pam::Attempt::start(&options.service, &user, &remote_host, dialogue)?;
    let mut verified = attempt.verify(privilege, &options.service)?;
    let user = verified.account.name().to_owned();
    let messages = verified.conversation().pending.clone();
    connection.send(&Reply::Authenticated { user, messages }, &[])?;
    connection.receive(Stage::Authenticated)?;
    become_user::end_this_process_after(options.limits.open_within);
    let shell = verified.account.shell();
    if !start_bridge::shell_is_supported(shell) {
        let cause = format!("shell of {}: {}", verified.account.name(), shell.display());
        return Err(Refused::new(Refusal::UnsupportedShell, cause).into());
    }
    protected.restore_for_session()?;
    let (mut session, account) = verified.open(privilege)?;
    set_child_subreaper(Some(getpid()))?;
    let plan = start_bridge::Plan {
        program: &options.bridge,
        account: &account,
        privilege,
        pam_environment: session.environment(),
        messages: std::mem::take(&mut session.conversation().pending),
        password: session.conversation().reusable.take(),
    };
    let started = start_bridge::start_bridge(&plan);
    drop(plan); // and with it the password
    become_user::end_this_process_after(Duration::ZERO);
    let end = started.map(|(bridge, for_server)| {
        let pid = bridge.as_raw_pid().unsigned_abs();
        // A client that has gone loses its end, and with it the bridge its link.
        let told = connection.send(&Reply::BridgeStarted { pid }, &[for_server.as_fd()]);
        drop(for_server);
        (start_bridge::wait_for_end(bridge), told)
    });
    session.close();
    let (end, told) = end.map_err(|error| Refused::new(Refusal::Internal, error.to_string()))?;
    told?;
    connection.send(&Reply::Ended { bridge: end }, &[])?;
    Ok(end)
}
