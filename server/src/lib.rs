//! The server: HTTPS, login page and relay, without any privilege.
//!
//! Who may log in is decided by `session`, what may be done by the user's own bridge. Called by `cli`
//! (`pilothouse serve`) and by tests. It never parses a channel's payload, keeps a password, runs a program, or opens
//! a connection to another machine.
#![forbid(unsafe_code)]

mod admission;
mod assets;
mod audit_log;
pub mod config;
mod external;
mod head;
mod headers;
mod listen;
mod login;
mod pages;
mod relay;
mod routes;
mod sessions;
mod state_dir;
mod static_files;
#[cfg(test)]
mod testing;
mod tls;
mod watch;

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::DumpableBehavior;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

pub use assets::AssetError;
pub use certs::Fingerprint;
pub use config::Config;
pub use listen::{ListenError, Listener};
pub use state_dir::StateDirError;
pub use tls::TlsError;

/// All that a request can reach. Held as `Arc<Server>`, axum's state.
#[derive(Debug)]
pub struct Server {
    pub(crate) config: Config,
    pub(crate) admission: admission::Admission,
    pub(crate) certificates: Arc<tls::Certificates>,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) logins: login::Logins,
    pub(crate) assets: Arc<assets::Assets>,
    pub(crate) pages: pages::Pages,
    pub(crate) static_files: static_files::StaticFiles,
}

impl Server {
    /// Builds the parts from the settings; nothing is read but the interface and the system's name, and nothing is bound.
    pub fn new(config: Config) -> Self {
        let assets = Arc::new(assets::Assets::new(&config));
        Self {
            admission: admission::Admission::new(&config),
            certificates: Arc::default(),
            sessions: sessions::Sessions::new(&config),
            logins: login::Logins::new(&config),
            pages: pages::Pages::new(&config, Arc::clone(&assets)),
            static_files: static_files::StaticFiles::of_this_machine(),
            assets,
            config,
        }
    }
}

/// Why the server did not start. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no interface to serve.
    #[error(transparent)]
    Assets(#[from] AssetError),
    /// The state directory is not safe.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The process could not be hardened or prepared.
    #[error("cannot prepare the process: {0}")]
    Process(std::io::Error),
    /// A local session needs no login, so it is for this machine alone.
    #[error("a local session is served on loopback only, not on {0}")]
    LocalSessionExposed(SocketAddr),
    /// The command of the local session does not speak the protocol.
    #[error("the local session did not begin: {0}")]
    LocalSession(std::io::Error),
}

impl StartError {
    /// Exit status for `cli`, from sysexits.h: 78 (`EX_CONFIG`) where the administrator must change something first,
    /// so that systemd does not try again and again.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Assets(_) | Self::StateDir(_) | Self::Tls(_) | Self::LocalSessionExposed(_) => 78,
            Self::Listen(_) | Self::Process(_) | Self::LocalSession(_) => 1,
        }
    }
}

/// Who gets a session.
#[derive(Debug)]
pub enum Access {
    /// Who logs in.
    Login,
    /// Everybody who can connect, on loopback only: the other end of this socket is a bridge that runs already
    /// (`serve --local-session`, for tests and demonstrations).
    LocalSession(UnixStream),
}

/// A server that listens.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where.
    pub addresses: Vec<SocketAddr>,
    /// Of the certificate in use.
    pub fingerprint: Fingerprint,
}

/// How long requests in work may take to end after the server was told to stop; with [`SESSIONS_END`] below 2 s.
const CONNECTIONS_END: Duration = Duration::from_millis(500);

/// How long sessions may take to tell their pages and bridges.
const SESSIONS_END: Duration = Duration::from_secs(1);

/// Runs the server until SIGTERM or SIGINT. SIGHUP reads the certificate again.
///
/// # Errors
///
/// Before it listens; later failures are logged and survived.
pub async fn run(
    config: Config,
    listener: Listener,
    access: Access,
    started: impl FnOnce(&Started),
) -> Result<(), StartError> {
    // Nobody reads passwords out of our memory or our dumps (T53).
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| StartError::Process(error.into()))?;
    audit_log::open();
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Process)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Process)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    run_until(config, listener, access, started, stop).await
}

/// Runs the server until `stop` is done.
///
/// # Errors
///
/// As [`run`].
pub async fn run_until(
    config: Config,
    listener: Listener,
    access: Access,
    started: impl FnOnce(&Started),
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let server = Arc::new(Server::new(config));
    server.assets.check()?;
    state_dir::prepare(&server.config.state_dir)?;
    let fingerprint = server
        .certificates
        .load(&server.config, SystemTime::now())?;
    let sockets = listener.open(&server.config.listen)?;
    let addresses: Vec<SocketAddr> = sockets
        .iter()
        .filter_map(|socket| socket.local_addr().ok())
        .collect();
    begin(&server, access, &addresses).await?;
    let front = listen::Front::open(&server, sockets)?;
    let hang_up = signal(SignalKind::hangup()).map_err(StartError::Process)?;
    tell_supervisor(&[NotifyState::Ready]);
    started(&Started { addresses, fingerprint });

    tokio::select! {
        () = stop => {}
        () = watch::certificate(&server, hang_up) => {}
        () = watch::watchdog(&front) => {}
    }

    tell_supervisor(&[NotifyState::Stopping]);
    front.stop();
    if tokio::time::timeout(SESSIONS_END, server.sessions.end_all())
        .await
        .is_err()
    {
        tracing::warn!("some sessions did not end in time");
    }
    front.ended(CONNECTIONS_END).await;
    Ok(())
}

/// Begins the local session if there is to be one, before anybody is let in.
async fn begin(
    server: &Server,
    access: Access,
    addresses: &[SocketAddr],
) -> Result<(), StartError> {
    let Access::LocalSession(bridge) = access else {
        return Ok(());
    };
    let mut addresses = addresses.iter();
    if let Some(exposed) = addresses.find(|address| !address.ip().to_canonical().is_loopback()) {
        return Err(StartError::LocalSessionExposed(*exposed));
    }
    let begun = server.begin_local_session(bridge).await;
    begun.map_err(StartError::LocalSession)
}

/// The fingerprint of the certificate that a server with these settings shows, without making one.
///
/// # Errors
///
/// There is none yet, or it cannot be read.
pub fn fingerprint(config: &Config) -> Result<Fingerprint, certs::CertError> {
    match &config.tls {
        config::TlsFiles::SelfSigned => {
            certs::fingerprint(&config.state_dir.join("serve/tls/certificate.pem"))
        }
        config::TlsFiles::Imported { certificate, .. } => certs::fingerprint(certificate),
    }
}

/// Whether the heads of requests in `bytes` are let through; for fuzzing.
pub fn lets_through(bytes: &[u8]) -> bool {
    head::HeadScanner::default().scan(bytes).is_ok()
}

fn tell_supervisor(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "no service manager was told");
    }
}

/// Whether `bytes` are an `Authorization` header that a login can begin with; for fuzzing.
pub fn reads_authorization(bytes: &[u8]) -> bool {
    login::reads_authorization(bytes)
}

/// Whether `bytes` are the body of a login form; for fuzzing.
pub fn reads_form(bytes: &[u8]) -> bool {
    login::reads_form(bytes)
}

/// Whether `bytes` are a control message that the relay passes on; for fuzzing.
pub fn reads_control(bytes: &[u8]) -> bool {
    relay::head::Head::parse(bytes).is_ok()
}

/// Whether `query` describes an external channel; for fuzzing.
pub fn reads_channel_query(query: &str) -> bool {
    external::description::Description::parse(query).is_ok()
}
