//! The router: decides for each `open` who serves it, and brings what follows to the same place.
//!
//! Order of the decision: another host, then the privileged bridge, then a kind of ours, then other bridges. Called
//! by `run` with every frame of the link. It never waits: a channel that does not keep up is closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::control::{Control, ControlError, Init, Open, Superuser, VERSION};
use protocol::json::Fields;
use protocol::limits::MAX_CHANNELS;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Bridge;
use crate::channel::Closed;
use crate::channels::{self, Serving};
use crate::idle;
use crate::peer::remote::connections::{Beginning, Key, wants_terminal, without_routing};
use crate::peer::superuser::Method;
use crate::peer::{Peer, PeerId, Upstream};
use crate::port::{Inbox, Incoming, Port};

/// What the server did wrong; the link ends.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A control message that is none.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Something came before `init`.
    #[error("the first message was not init")]
    NoInit,
    /// A version of the protocol that we do not speak.
    #[error("protocol version {0}, only {VERSION} is spoken here")]
    Version(u64),
    /// An `open` with the id of an open channel.
    #[error("channel {0} is open already")]
    ChannelInUse(ChannelId),
    /// A command about the link that we do not know.
    #[error("unknown command {0:?}")]
    UnknownCommand(String),
}

impl RouterError {
    /// The message that tells the server why the link ends.
    pub fn as_init(&self) -> Control {
        let problem = match self {
            Self::Version(_) => Problem::NotSupported,
            Self::Control(_) | Self::NoInit | Self::ChannelInUse(_) | Self::UnknownCommand(_) => {
                Problem::ProtocolError
            }
        };
        let mut fields = Fields::new();
        fields.insert("message".to_owned(), self.to_string().into());
        Control::Init(Init { version: VERSION, host: None, problem: Some(problem), fields })
    }
}

/// Takes the frames of one link and gives them to whom they are for.
#[derive(Debug)]
pub struct Router {
    bridge: Arc<Bridge>,
}

/// The open channels of one link. A channel's own task, or its peer, takes it out before it says `close`.
#[derive(Debug, Default)]
pub struct Routes(Mutex<HashMap<ChannelId, Route>>);

#[derive(Debug)]
struct Route {
    group: String,
    /// The other machine, as its `open` names it.
    host: Option<String>,
    end: End,
}

/// Where a channel is served.
#[derive(Debug)]
enum End {
    Here { inbox: Inbox, task: AbortHandle },
    Peer(Peer),
}

/// The group of a channel whose `open` names none.
const DEFAULT_GROUP: &str = "default";

impl Router {
    /// A router of `bridge` that waits for the server's `init`.
    pub fn new(bridge: Arc<Bridge>) -> Self {
        Self { bridge }
    }

    /// What its channels share.
    pub fn bridge(&self) -> &Arc<Bridge> {
        &self.bridge
    }

    /// Takes a control message.
    ///
    /// # Errors
    ///
    /// [`RouterError`], the server's fault; the link cannot go on.
    pub fn control(&mut self, message: &[u8]) -> Result<(), RouterError> {
        let control = Control::parse(message)?;
        if let Control::Init(init) = control {
            return self.init(init);
        }
        if self.bridge.host.get().is_none() {
            return Err(RouterError::NoInit);
        }
        match control {
            Control::Open(open) => self.open(&open, message)?,
            Control::Close { channel, .. } => self.bridge.close(&channel, message),
            Control::Kill { group, host } => self.kill(group.as_deref(), host.as_deref()),
            Control::Ping { channel: None, fields } => {
                self.bridge
                    .outbox
                    .control(&Control::Pong { channel: None, fields });
            }
            Control::Other { command, channel: None, .. } => {
                return Err(RouterError::UnknownCommand(command));
            }
            Control::Done { .. }
            | Control::Options { .. }
            | Control::Ping { channel: Some(_), .. }
            | Control::Pong { channel: Some(_), .. }
            | Control::Logout { channel: Some(_), .. }
            | Control::Other { channel: Some(_), .. } => {
                self.bridge.deliver_control(control, message);
            }
            Control::Init(_)
            | Control::Ready { .. }
            | Control::Pong { channel: None, .. }
            | Control::Ack { .. }
            | Control::Authorize { .. }
            | Control::Logout { channel: None, .. }
            | Control::SuperuserInitDone => {}
        }
        Ok(())
    }

    /// Takes data of a channel. Data of a channel that is closed already are dropped: the page could not know.
    ///
    /// # Errors
    ///
    /// [`RouterError::NoInit`], the server's fault.
    pub fn data(&mut self, channel: &ChannelId, payload: Bytes) -> Result<(), RouterError> {
        if self.bridge.host.get().is_none() {
            return Err(RouterError::NoInit);
        }
        self.bridge.deliver_data(channel, payload);
        Ok(())
    }

    /// Ends all channels: the link is gone.
    pub fn close_all(&mut self) {
        for (_, route) in self.bridge.routes.lock().drain() {
            route.end.abort();
        }
    }

    fn init(&mut self, init: Init) -> Result<(), RouterError> {
        if init.version != VERSION {
            return Err(RouterError::Version(init.version));
        }
        // It may come again; the name stays what it was.
        let _named = self
            .bridge
            .host
            .set(init.host.unwrap_or_else(|| "localhost".to_owned()));
        if let Some(seconds) = init.fields.get(idle::INIT_MEMBER).and_then(Value::as_u64) {
            self.bridge.idle.set_limit(seconds);
        }
        if let Some(wanted) = init.fields.get("superuser") {
            let wanted = wanted
                .get("id")
                .and_then(Value::as_str)
                .and_then(|name| Method::named(name).ok());
            tokio::spawn(superuser_at_login(Arc::clone(&self.bridge), wanted));
        }
        Ok(())
    }

    fn open(&mut self, open: &Open, message: &[u8]) -> Result<(), RouterError> {
        if self.bridge.routes.lock().contains_key(&open.channel) {
            return Err(RouterError::ChannelInUse(open.channel.clone()));
        }
        if let Err(refused) = self.start(open, message) {
            self.bridge.say_closed(&open.channel, refused);
        }
        Ok(())
    }

    fn start(&mut self, open: &Open, message: &[u8]) -> Result<(), Closed> {
        if self.bridge.routes.lock().len() >= MAX_CHANNELS {
            let message = format!("more than {MAX_CHANNELS} channels in one session");
            return Err(Closed::new(Problem::TooLarge, message));
        }
        if let Some(host) = self.other_host(open) {
            return self.bridge.start_away(host, open);
        }
        match self.privileged_peer(open)? {
            Some(peer) => self.bridge.start_at(peer, open, message),
            None => self.bridge.start_here(open),
        }
    }

    /// The host that `open` names, when that is not this one.
    fn other_host<'a>(&self, open: &'a Open) -> Option<&'a str> {
        open.host
            .as_deref()
            .filter(|&host| Some(host) != self.bridge.host())
    }

    /// The privileged bridge, when `open` asks for it and this is not one itself.
    fn privileged_peer(&self, open: &Open) -> Result<Option<Peer>, Closed> {
        let bridge = &self.bridge;
        if open.superuser == Superuser::No || bridge.is_root() {
            return Ok(None);
        }
        match (open.superuser, bridge.superuser.peer()) {
            (Superuser::Require, None) => {
                Err(Closed::new(Problem::AccessDenied, "superuser access is off"))
            }
            (_, peer) => Ok(peer),
        }
    }

    /// Closes what belongs to `group` and to `host`. Without a group a host's connections end too.
    fn kill(&mut self, group: Option<&str>, host: Option<&str>) {
        let other = host.filter(|&host| Some(host) != self.bridge.host());
        let here = host.is_some() && other.is_none();
        for channel in self.bridge.channels_where(|route| {
            group.is_none_or(|group| route.group == group)
                && (other.is_none() || route.host.as_deref() == other)
                && !(here && route.host.is_some())
        }) {
            self.bridge
                .refuse(&channel, Closed::new(Problem::Terminated, ""));
        }
        if let (None, Some(host)) = (group, other) {
            self.bridge.end_connections_to(host);
        }
    }
}

/// Turns superuser access on if the login asks for it and no question is left open: there is no page yet to answer it.
async fn superuser_at_login(bridge: Arc<Bridge>, wanted: Option<Method>) {
    if let Some(method) = wanted {
        let (ask, _nobody_answers) = mpsc::channel(1);
        let _it_can_be_turned_on_later = bridge.turn_superuser_on(method, ask).await;
    }
    bridge.outbox.control(&Control::SuperuserInitDone);
}

impl Bridge {
    fn start_here(self: &Arc<Self>, open: &Open) -> Result<(), Closed> {
        let kind = open.payload.as_deref().unwrap_or_default();
        self.serve_here(open, |port| {
            channels::start(kind, open.options.clone(), port).ok_or_else(|| {
                Closed::new(Problem::NotSupported, format!("no channel of kind {kind:?}"))
            })
        })
    }

    /// Opens a channel on another machine, which may have to be connected first.
    fn start_away(self: &Arc<Self>, host: &str, open: &Open) -> Result<(), Closed> {
        let key = Key::new(host, open.user.as_deref(), open.session, &open.channel)?;
        let (connection, _) = self.connection(&key, Beginning::of(open))?;
        if let Some(terminals) = connection.terminals() {
            if !wants_terminal(open) {
                return Err(terminals.no_bridge());
            }
            return self.serve_here(open, |port| Ok(terminals.open(open.options.clone(), port)));
        }
        let message = Control::Open(without_routing(open)).to_bytes();
        self.start_at(connection.peer.clone(), open, &message)
    }

    fn serve_here(
        self: &Arc<Self>,
        open: &Open,
        start: impl FnOnce(Port) -> Result<Serving, Closed>,
    ) -> Result<(), Closed> {
        let (port, inbox) = Port::new(open, Arc::clone(self));
        let serving = start(port)?;
        let channel = open.channel.clone();
        let bridge = Arc::clone(self);
        // The routes are held until the route stands in it, so that the task cannot take out what is not there yet.
        let mut routes = self.routes.lock();
        let task = tokio::spawn(async move {
            let ended = serving.await;
            bridge.leave(&channel);
            match ended {
                Ok(fields) => {
                    bridge
                        .outbox
                        .control(&Control::Close { channel, problem: None, fields });
                }
                Err(closed) => bridge.say_closed(&channel, closed),
            }
        });
        let end = End::Here { inbox, task: task.abort_handle() };
        routes.insert(open.channel.clone(), self.route(open, end));
        Ok(())
    }

    fn start_at(&self, peer: Peer, open: &Open, message: &[u8]) -> Result<(), Closed> {
        peer.control(message)?;
        let route = self.route(open, End::Peer(peer));
        self.routes.lock().insert(open.channel.clone(), route);
        Ok(())
    }

    fn route(&self, open: &Open, end: End) -> Route {
        let host = open
            .host
            .clone()
            .filter(|host| Some(host.as_str()) != self.host());
        Route { group: group(open), host, end }
    }

    /// Takes a channel out; what was for it alone ends.
    fn leave(&self, channel: &ChannelId) -> Option<Route> {
        let route = self.routes.lock().remove(channel)?;
        if route.host.is_some() {
            self.end_private_connection(channel);
        }
        Some(route)
    }

    /// Whether channels are open at this peer.
    pub(crate) fn has_channels_at(&self, peer: PeerId) -> bool {
        let routes = self.routes.lock();
        routes.values().any(|route| route.end.is_peer(peer))
    }

    fn deliver_data(&self, channel: &ChannelId, payload: Bytes) {
        let delivered = match self.routes.lock().get(channel).map(|route| &route.end) {
            Some(End::Here { inbox, .. }) => inbox.deliver(Incoming::Data(payload)),
            Some(End::Peer(peer)) => peer.data(channel, &payload),
            None => Ok(()),
        };
        if let Err(closed) = delivered {
            self.refuse(channel, closed);
        }
    }

    fn deliver_control(&self, control: Control, message: &[u8]) {
        let Some(channel) = control.channel().cloned() else { return };
        let delivered = match self.routes.lock().get(&channel).map(|route| &route.end) {
            Some(End::Here { inbox, .. }) => inbox.control(control),
            Some(End::Peer(peer)) => peer.control(message),
            None => Ok(()),
        };
        if let Err(closed) = delivered {
            self.refuse(&channel, closed);
        }
    }

    /// Ends a channel because the page wants it.
    fn close(&self, channel: &ChannelId, message: &[u8]) {
        if let Some(route) = self.leave(channel) {
            if let End::Peer(peer) = &route.end {
                let _a_peer_that_is_gone_closed_it = peer.control(message);
            }
            route.end.abort();
        }
    }

    /// Ends a channel because we want it.
    fn refuse(&self, channel: &ChannelId, closed: Closed) {
        let close = Control::Close {
            channel: channel.clone(),
            problem: Some(closed.problem.clone()),
            fields: Fields::new(),
        };
        self.close(channel, &close.to_bytes());
        self.say_closed(channel, closed);
    }

    fn channels_where(&self, wanted: impl Fn(&Route) -> bool) -> Vec<ChannelId> {
        let routes = self.routes.lock();
        let wanted = routes.iter().filter(|(_, route)| wanted(route));
        wanted.map(|(channel, _)| channel.clone()).collect()
    }

    fn belongs_to(&self, peer: PeerId, channel: &ChannelId) -> bool {
        self.routes
            .lock()
            .get(channel)
            .is_some_and(|route| route.end.is_peer(peer))
    }
}

impl Upstream for Bridge {
    fn data(&self, peer: PeerId, channel: &ChannelId, payload: &[u8]) {
        if self.belongs_to(peer, channel) {
            self.outbox.data(channel, payload);
        }
    }

    fn control(&self, peer: PeerId, channel: &ChannelId, control: &Control, message: &[u8]) {
        if !self.belongs_to(peer, channel) {
            return;
        }
        if let Control::Close { .. } = control {
            self.leave(channel);
        }
        self.outbox.control_bytes(message);
    }

    async fn room(&self) {
        self.outbox.room().await;
    }

    fn gone(&self, peer: PeerId, why: Closed) {
        for channel in self.channels_where(|route| route.end.is_peer(peer)) {
            self.leave(&channel);
            self.say_closed(&channel, why.clone());
        }
    }
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Route>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    fn is_peer(&self, id: PeerId) -> bool {
        matches!(self, Self::Peer(peer) if peer.id() == id)
    }

    fn abort(&self) {
        if let Self::Here { task, .. } = self {
            task.abort();
        }
    }
}

fn group(open: &Open) -> String {
    open.group
        .clone()
        .unwrap_or_else(|| DEFAULT_GROUP.to_owned())
}
