//! The connections of one session to other machines: one for each host and user, shared by all channels there.
//!
//! A connection is in the table from its first attempt to its end, so that channels which open meanwhile wait for the same
//! attempt. It ends when nothing has used it for [`IDLE_TIME`], by `kill`, or with its link.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use protocol::control::{Control, Open, SessionChoice};
use protocol::names::{ChannelId, HostSpec, HostSpecError, UserName};
use protocol::problem::Problem;
use protocol::secret::Secret;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::Bridge;
use crate::channel::Closed;
use crate::link::Link;
use crate::peer::remote::dialogue::{Dialogue, Progress, Said};
use crate::peer::remote::{Destination, Reach, Reached, Terminals};
use crate::peer::{Connect, Greeting, Peer, PeerId, Upstream};

/// How long a connection lives that nothing uses: long enough to walk through pages, short enough that machines which were
/// looked at once do not stay connected all day.
pub const IDLE_TIME: Duration = Duration::from_mins(5);

/// How often is looked whether a connection is used.
const IDLE_CHECK: Duration = Duration::from_secs(30);

/// Most machines that one session is connected to at once.
const MAX_CONNECTIONS: usize = 256;

/// What each machine is called on the link to it: what every bridge calls itself.
const ITSELF: &str = "localhost";

/// Options of `open` that are for the way to a machine and are not told to it.
const ROUTING_OPTIONS: [&str; 2] = ["password", "init-superuser"];

/// All connections of one session.
#[derive(Debug, Default)]
pub struct Connections {
    reach: OnceLock<Arc<dyn Reach>>,
    open: Mutex<HashMap<Key, Arc<Connection>>>,
}

/// What tells connections apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    host: HostSpec,
    /// The one channel that may use it.
    private: Option<ChannelId>,
}

/// A connection, from its first attempt to its end.
#[derive(Debug)]
pub struct Connection {
    /// The bridge there; what is sent before it is there waits.
    pub peer: Peer,
    progress: watch::Receiver<Progress>,
    dialogue: Dialogue,
    terminals: OnceLock<Arc<dyn Terminals>>,
    /// Pages that look at it, beside the channels that use it.
    watchers: AtomicUsize,
}

/// Whether an attempt was under way, or has been begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It was there before.
    Joined,
    /// It has been begun now.
    Begun,
}

/// What a connection is begun with.
#[derive(Debug, Default)]
pub struct Beginning {
    /// A password for this machine.
    pub password: Option<Secret>,
    /// The way by which its bridge is to get superuser access at once.
    pub superuser: Option<String>,
    /// Who is asked.
    pub page: Option<mpsc::Sender<Said>>,
}

impl Key {
    /// The connection that these members of an `open` ask for.
    ///
    /// # Errors
    ///
    /// `not-supported` for what is no name of a host or user (T20).
    pub fn new(
        host: &str,
        user: Option<&str>,
        session: SessionChoice,
        channel: &ChannelId,
    ) -> Result<Self, Closed> {
        let refused = |error: HostSpecError| Closed::new(Problem::NotSupported, error.to_string());
        let mut host = HostSpec::parse(host).map_err(refused)?;
        if let Some(user) = user {
            host = host.with_user(Some(UserName::parse(user).map_err(refused)?));
        }
        let private = (session == SessionChoice::Private).then(|| channel.clone());
        Ok(Self { host, private })
    }

    /// The host, with user and port if they were named.
    pub fn host(&self) -> &HostSpec {
        &self.host
    }
}

impl Beginning {
    /// What stands in an `open`.
    pub fn of(open: &Open) -> Self {
        let text = |name: &str| open.options.get(name).and_then(Value::as_str);
        Self {
            password: text("password").map(|password| Secret::from(password.to_owned())),
            superuser: text("init-superuser")
                .filter(|name| *name != "none")
                .map(str::to_owned),
            page: None,
        }
    }
}

impl Connection {
    /// How far it is, and all that follows.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Terminals of a machine without a bridge.
    pub fn terminals(&self) -> Option<&Arc<dyn Terminals>> {
        self.terminals.get()
    }

    /// Keeps it from ending unused as long as the guard lives.
    pub fn watch(self: &Arc<Self>) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(Arc::clone(self))
    }
}

/// Somebody looks at a connection.
#[derive(Debug)]
pub struct Watching(Arc<Connection>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// Connections that are made by `reach`; without one there are none.
    pub fn new(reach: Option<Arc<dyn Reach>>) -> Self {
        let all = Self::default();
        if let Some(reach) = reach {
            let _the_first = all.reach.set(reach);
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_peer(&self, peer: PeerId) -> Option<(Key, Arc<Connection>)> {
        let open = self.lock();
        let mut all = open.iter();
        all.find(|(_, one)| one.peer.id() == peer)
            .map(|(key, one)| (key.clone(), Arc::clone(one)))
    }

    /// Those to this host, as whatever user.
    fn to(&self, host: &str) -> Vec<(Key, Arc<Connection>)> {
        let Ok(wanted) = HostSpec::parse(host) else { return Vec::new() };
        let open = self.lock();
        open.iter()
            .filter(|(key, _)| {
                let anybody = key.host.clone().with_user(None);
                key.host == wanted || (wanted.user().is_none() && anybody == wanted)
            })
            .map(|(key, one)| (key.clone(), Arc::clone(one)))
            .collect()
    }
}

impl Bridge {
    /// The connection that `key` names; one is begun if there is none.
    ///
    /// # Errors
    ///
    /// `no-host` when this bridge reaches no other machines, `too-large` when it reaches too many.
    pub fn connection(
        self: &Arc<Self>,
        key: &Key,
        beginning: Beginning,
    ) -> Result<(Arc<Connection>, Attempt), Closed> {
        // Held until the connection stands in it, so that its end cannot come before.
        let mut open = self.connections.lock();
        if let Some(connection) = open.get(key) {
            if let Some(page) = &beginning.page {
                connection.dialogue.ask_at(page);
            }
            return Ok((Arc::clone(connection), Attempt::Joined));
        }
        let Some(reach) = self.connections.reach.get().map(Arc::clone) else {
            return Err(Closed::new(Problem::NoHost, "this bridge connects to no other machines"));
        };
        if open.len() >= MAX_CONNECTIONS {
            let message = format!("more than {MAX_CONNECTIONS} machines in one session");
            return Err(Closed::new(Problem::TooLarge, message));
        }
        let connection = Arc::new(self.begin(key, beginning, reach));
        open.insert(key.clone(), Arc::clone(&connection));
        tokio::spawn(end_when_unused(Arc::downgrade(self), Arc::downgrade(&connection)));
        Ok((connection, Attempt::Begun))
    }

    fn begin(
        self: &Arc<Self>,
        key: &Key,
        beginning: Beginning,
        reach: Arc<dyn Reach>,
    ) -> Connection {
        let (dialogue, progress) = Dialogue::new();
        if let Some(page) = &beginning.page {
            dialogue.ask_at(page);
        }
        let destination = Destination {
            host: key.host.clone(),
            session: match key.private {
                Some(_) => SessionChoice::Private,
                None => SessionChoice::Shared,
            },
            password: beginning.password,
            login_password: self.superuser.login_password(),
        };
        let bridge = Arc::clone(self);
        let way = Way { bridge, key: key.clone(), reach, destination, dialogue: dialogue.clone() };
        let upstream = Away { bridge: Arc::clone(self), dialogue: dialogue.clone() };
        let greeting = Greeting { host: ITSELF.to_owned(), superuser: beginning.superuser };
        let told = dialogue.clone();
        let peer = Peer::start(way, greeting, Arc::new(upstream), move |greeted| {
            if greeted.is_ok() {
                told.progress(Progress::Connected);
            }
        });
        let terminals = OnceLock::new();
        Connection { peer, progress, dialogue, terminals, watchers: AtomicUsize::new(0) }
    }

    /// Ends the connections to a host, and their channels.
    pub fn end_connections_to(&self, host: &str) {
        for (key, connection) in self.connections.to(host) {
            self.connections.lock().remove(&key);
            let killed = Closed::new(Problem::Terminated, "the connection was ended on wish");
            self.end_connection(&connection, killed);
        }
    }

    /// Ends the connection that was for this channel alone, which has ended.
    pub fn end_private_connection(&self, channel: &ChannelId) {
        let private = {
            let mut open = self.connections.lock();
            let mut keys = open.keys();
            let found = keys
                .find(|key| key.private.as_ref() == Some(channel))
                .cloned();
            found.and_then(|key| open.remove(&key))
        };
        if let Some(connection) = private {
            self.end_connection(
                &connection,
                Closed::new(Problem::Terminated, "its channel has ended"),
            );
        }
    }

    /// Ends all connections: the session is over.
    pub fn end_all_connections(&self) {
        let all: Vec<_> = self.connections.lock().drain().collect();
        drop(all);
    }

    fn end_connection(&self, connection: &Connection, why: Closed) {
        connection
            .dialogue
            .progress(Progress::EndedOnWish(why.clone()));
        self.gone(connection.peer.id(), why);
    }
}

/// The `open` as the machine itself gets it: without what was for the way there.
pub fn without_routing(open: &Open) -> Open {
    let mut open = open.clone();
    open.host = None;
    open.user = None;
    open.session = SessionChoice::Shared;
    for name in ROUTING_OPTIONS {
        open.options.remove(name);
    }
    open
}

/// Whether the `open` asks for a program on a terminal.
pub fn wants_terminal(open: &Open) -> bool {
    open.payload.as_deref() == Some("stream") && open.options.get("pty") == Some(&Value::Bool(true))
}

/// Ends a connection when neither channels nor pages have used it for [`IDLE_TIME`].
async fn end_when_unused(bridge: Weak<Bridge>, connection: Weak<Connection>) {
    let mut unused = Duration::ZERO;
    while unused < IDLE_TIME {
        tokio::time::sleep(IDLE_CHECK).await;
        let (Some(bridge), Some(connection)) = (bridge.upgrade(), connection.upgrade()) else {
            return;
        };
        let watched = connection.watchers.load(Ordering::Relaxed) > 0;
        unused = if watched || bridge.has_channels_at(connection.peer.id()) {
            Duration::ZERO
        } else {
            unused + IDLE_CHECK
        };
    }
    let (Some(bridge), Some(connection)) = (bridge.upgrade(), connection.upgrade()) else { return };
    if let Some((key, _)) = bridge.connections.with_peer(connection.peer.id()) {
        bridge.connections.lock().remove(&key);
        bridge.end_connection(
            &connection,
            Closed::new(Problem::Terminated, "nothing used the connection"),
        );
    }
}

/// The way to one machine.
struct Way {
    bridge: Arc<Bridge>,
    key: Key,
    reach: Arc<dyn Reach>,
    destination: Destination,
    dialogue: Dialogue,
}

impl Connect for Way {
    async fn connect(self) -> Result<Link, Closed> {
        match self
            .reach
            .reach(self.destination, self.dialogue.clone())
            .await?
        {
            Reached::Bridge(link) => Ok(link),
            Reached::TerminalsOnly(terminals) => {
                let why = terminals.no_bridge();
                if let Some(connection) = self.bridge.connections.lock().get(&self.key) {
                    let _the_first = connection.terminals.set(terminals);
                }
                Err(why)
            }
        }
    }
}

/// What a machine's bridge says goes to the page; its end takes the connection out of the table.
struct Away {
    bridge: Arc<Bridge>,
    dialogue: Dialogue,
}

impl Upstream for Away {
    fn data(&self, peer: PeerId, channel: &ChannelId, payload: &[u8]) {
        self.bridge.data(peer, channel, payload);
    }

    fn control(&self, peer: PeerId, channel: &ChannelId, control: &Control, message: &[u8]) {
        self.bridge.control(peer, channel, control, message);
    }

    async fn room(&self) {
        self.bridge.room().await;
    }

    fn gone(&self, peer: PeerId, why: Closed) {
        if let Some((key, connection)) = self.bridge.connections.with_peer(peer) {
            if let Some(terminals) = connection.terminals() {
                self.dialogue.progress(Progress::TerminalsOnly(why.clone()));
                let ended = terminals.ended();
                tokio::spawn(forget_with_terminals(Arc::downgrade(&self.bridge), peer, ended));
            } else {
                self.bridge.connections.lock().remove(&key);
                self.dialogue.progress(Progress::Ended(why.clone()));
            }
        }
        self.bridge.gone(peer, why);
    }
}

/// A connection that has only terminals stays until its link has ended.
async fn forget_with_terminals(
    bridge: Weak<Bridge>,
    peer: PeerId,
    ended: impl Future<Output = ()>,
) {
    ended.await;
    let Some(bridge) = bridge.upgrade() else { return };
    if let Some((key, connection)) = bridge.connections.with_peer(peer) {
        bridge.connections.lock().remove(&key);
        let why = Closed::new(Problem::Terminated, "the connection has ended");
        connection.dialogue.progress(Progress::Ended(why));
    }
}
