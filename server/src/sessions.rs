//! Sessions: who is logged in, from where, until when.
//!
//! A session is one login: one bridge at the other end of one [`Link`], and any number of sockets and external
//! channels that use it. It ends at logout, when its time is up, or when its bridge is gone; then the cookie is worth
//! nothing, the bridge's link is hung up, and everything that used it is told. Callers: `login` begins sessions,
//! `relay` and `external` use them, every route looks them up. Never here: a password, or a payload.

mod cookie;
mod life;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use audit::{Entry, Event, Field};
use axum::http::HeaderMap;
use protocol::problem::Problem;
use tokio::net::UnixStream;

pub(crate) use cookie::{CookieValue, CsrfToken, clearing_header};
pub(crate) use life::{Boottime, TimeUp};

use crate::Server;
use crate::admission::{Application, Transport};
use crate::audit_log;
use crate::config::Config;
use crate::relay::handshake::{GREETING_LIMIT, GreetError, SuperuserStart, greet};
use crate::relay::link::{self, Link, Reader};
use crate::relay::mailbox::{Mailbox, Over};
use cookie::CookieDigest;
use life::{Life, Limits};

/// Who is logged in.
#[derive(Debug)]
pub(crate) struct Sessions {
    registry: Arc<Registry>,
    limits: Limits,
    idle: Option<Duration>,
    channels: link::Limits,
}

#[derive(Debug, Default)]
struct Registry {
    by_cookie: Mutex<HashMap<CookieDigest, Arc<Session>>>,
    /// The one session of `serve --local-session`, which needs no cookie.
    local: OnceLock<Arc<Session>>,
}

/// One login.
#[derive(Debug)]
pub(crate) struct Session {
    /// For log lines: says nothing about cookie or token.
    number: u64,
    user: String,
    source: IpAddr,
    application: Application,
    cookie: CookieDigest,
    csrf: CsrfToken,
    pub(crate) link: Link,
    takers: Mutex<Takers>,
    next_taker: AtomicU64,
    tick: Duration,
    registry: Weak<Registry>,
}

/// A socket or external channel of one session. Sockets show it in their channel seed; 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TakerId(pub(crate) u64);

#[derive(Debug)]
struct Takers {
    life: Life,
    mailboxes: HashMap<TakerId, Arc<Mailbox>>,
    ended: Option<End>,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The user logged out.
    Logout,
    /// The browser had gone when the login was done.
    NobodyThere,
    /// Its time was up.
    TimeUp(TimeUp),
    /// The bridge hung up.
    BridgeGone(Option<Problem>),
    /// The bridge broke the protocol.
    Violation(String),
    /// The server stops.
    ServerStops,
}

impl End {
    /// The problem that pages are told.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Logout | Self::NobodyThere => Problem::Disconnected,
            Self::BridgeGone(Some(problem)) => problem.clone(),
            Self::Violation(_) => Problem::ProtocolError,
            Self::TimeUp(_) | Self::BridgeGone(None) | Self::ServerStops => Problem::Terminated,
        }
    }

    fn log_word(&self) -> &str {
        match self {
            Self::Logout => "logout",
            Self::NobodyThere => "nobody there",
            Self::TimeUp(TimeUp::Detached) => "detached",
            Self::TimeUp(TimeUp::Expired) => "expired",
            Self::BridgeGone(_) => "bridge gone",
            Self::Violation(_) => "protocol error",
            Self::ServerStops => "server stops",
        }
    }
}

/// A login that PAM has let in and whose bridge runs.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The account as PAM left it.
    pub(crate) user: String,
    /// The browser's address.
    pub(crate) source: IpAddr,
    pub(crate) application: Application,
    pub(crate) superuser: SuperuserStart,
    /// The server's end of the bridge's socket.
    pub(crate) bridge: UnixStream,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// The bridge cannot be used.
    #[error(transparent)]
    Greet(#[from] GreetError),
    /// The kernel gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Sessions {
    /// Nobody is logged in.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            registry: Arc::default(),
            limits: Limits::of(&config.life),
            idle: config.life.idle,
            channels: link::Limits {
                channels: config.relay.channels,
                external: config.relay.external_channels,
            },
        }
    }

    /// Greets the bridge and begins the session; the cookie is for the browser alone.
    ///
    /// # Errors
    ///
    /// [`BeginError`]: the login failed after all.
    pub(crate) async fn begin(
        &self,
        admitted: Admitted,
    ) -> Result<(Arc<Session>, CookieValue), BeginError> {
        let cookie = CookieValue::random()?;
        let session = self.greeted(admitted, cookie.digest(), self.limits).await?;
        audit_log::record(&session.entry(Event::LoggedIn));
        Ok((session, cookie))
    }

    /// See [`Server::begin_local_session`].
    async fn begin_local(&self, bridge: UnixStream) -> Result<(), BeginError> {
        let admitted = Admitted {
            user: "local".to_owned(),
            source: IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
            application: Application::default(),
            superuser: SuperuserStart::No,
            bridge,
        };
        let nobodys = CookieValue::random()?.digest();
        let session = self.greeted(admitted, nobodys, Limits::NONE).await?;
        tracing::info!(session = session.number, "local session begun");
        let _first_stays = self.registry.local.set(session);
        Ok(())
    }

    async fn greeted(
        &self,
        admitted: Admitted,
        cookie: CookieDigest,
        limits: Limits,
    ) -> Result<Arc<Session>, BeginError> {
        let Admitted { user, source, application, superuser, bridge } = admitted;
        let csrf = CsrfToken::random()?;
        let decoder = greet(&bridge, superuser, self.idle, GREETING_LIMIT).await?;
        let session = Arc::new(Session {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            user,
            source,
            application,
            cookie,
            csrf,
            link: Link::new(bridge, self.channels),
            takers: Mutex::new(Takers {
                life: Life::begin(Boottime::now(), limits),
                mailboxes: HashMap::new(),
                ended: None,
            }),
            next_taker: AtomicU64::new(1),
            tick: limits.tick(),
            registry: Arc::downgrade(&self.registry),
        });
        self.registry.lock().insert(cookie, Arc::clone(&session));
        tokio::spawn(Reader::new(Arc::clone(&session), decoder));
        Ok(session)
    }

    /// The living session that the request's cookie names.
    pub(crate) fn find(
        &self,
        headers: &HeaderMap,
        transport: Transport,
        application: &Application,
    ) -> Option<Arc<Session>> {
        if let Some(local) = self.registry.local.get() {
            return local.is_alive().then(|| Arc::clone(local));
        }
        let sessions = self.registry.lock();
        cookie::offered(headers, transport, application)
            .iter()
            .find_map(|digest| sessions.get(digest))
            .filter(|session| session.application == *application)
            .cloned()
    }

    /// Whether somebody who is logged in as `user` came from `source`.
    pub(crate) fn is_known(&self, user: &str, source: IpAddr) -> bool {
        let sessions = self.registry.lock();
        sessions
            .values()
            .any(|session| session.user == user && session.source == source)
    }

    /// Ends every session: the server stops. Sockets are told at once; the caller decides how long to wait for them.
    #[expect(clippy::unused_async, reason = "the caller awaits it beside others that end")]
    pub(crate) async fn end_all(&self) {
        let sessions: Vec<_> = self.registry.lock().values().cloned().collect();
        for session in sessions {
            session.end(&End::ServerStops);
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<CookieDigest, Arc<Session>>> {
        self.by_cookie
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// An entry of the audit log about this session.
    fn entry(&self, event: Event) -> Entry {
        Entry::new(event)
            .with(Field::Session, self.number)
            .with(Field::User, &self.user)
            .with(Field::Source, self.source)
    }

    /// What tells this session from others in log lines.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The token for state-changing requests and channel addresses (T1).
    pub(crate) fn csrf(&self) -> &CsrfToken {
        &self.csrf
    }

    /// How often [`Self::check_life`] is to be called.
    pub(crate) fn clock_tick(&self) -> Duration {
        self.tick
    }

    /// Adds a socket or external channel; `None` when the session is over.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>) -> Option<TakerId> {
        let mut takers = self.takers();
        if takers.ended.is_some() {
            return None;
        }
        let id = TakerId(self.next_taker.fetch_add(1, Ordering::Relaxed));
        takers.life.attach();
        takers.mailboxes.insert(id, Arc::clone(mailbox));
        Some(id)
    }

    /// Takes it away again; its channels are the caller's to close.
    pub(crate) fn detach(&self, id: TakerId, now: Boottime) {
        let mut takers = self.takers();
        if takers.mailboxes.remove(&id).is_some() {
            takers.life.detach(now);
        }
    }

    /// Ends the session when its time is up.
    pub(crate) fn check_life(&self, now: Boottime) {
        let time_up = self.takers().life.time_up(now);
        if let Some(time_up) = time_up {
            self.end(&End::TimeUp(time_up));
        }
    }

    /// Ends the session: the cookie first, then the bridge, then everything that used it. Only the first end counts.
    pub(crate) fn end(&self, end: &End) {
        if let Some(registry) = self.registry.upgrade() {
            registry.lock().remove(&self.cookie);
        }
        let mailboxes = {
            let mut takers = self.takers();
            if takers.ended.is_some() {
                return;
            }
            takers.ended = Some(end.clone());
            std::mem::take(&mut takers.mailboxes)
        };
        if let End::Violation(words) = end {
            tracing::warn!(session = self.number, error = words, "the bridge broke the protocol");
        }
        if *end == End::Logout {
            audit_log::record(&self.entry(Event::LoggedOut));
        }
        let entry = self
            .entry(Event::SessionEnded)
            .with(Field::Reason, end.log_word());
        audit_log::record(&entry);
        self.link.close();
        for mailbox in mailboxes.values() {
            mailbox.finish(Over::Session(end.clone()));
        }
    }

    fn is_alive(&self) -> bool {
        self.takers().ended.is_none()
    }

    fn takers(&self) -> MutexGuard<'_, Takers> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Begins the one session of `serve --local-session`: everybody's, without login, cookie or time limit. `bridge` is
    /// the server's end of the socket that the command has as its input and output; call it within the runtime.
    ///
    /// # Errors
    ///
    /// The command does not speak the protocol.
    pub async fn begin_local_session(
        &self,
        bridge: std::os::unix::net::UnixStream,
    ) -> std::io::Result<()> {
        bridge.set_nonblocking(true)?;
        let bridge = UnixStream::from_std(bridge)?;
        self.sessions
            .begin_local(bridge)
            .await
            .map_err(std::io::Error::other)
    }
}

/// Numbers sessions in log lines, across all of a process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
