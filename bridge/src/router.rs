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
use tokio::task::AbortHandle;

use crate::Bridge;
use crate::channel::Closed;
use crate::channels;
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

/// The channels of one link.
#[derive(Debug)]
pub struct Router {
    bridge: Arc<Bridge>,
    /// What the server calls this machine, from its `init`; none before.
    host: Option<String>,
    channels: Channels,
}

/// The table of open channels. A channel's own task takes it out before it says `close`.
type Channels = Arc<Mutex<HashMap<ChannelId, Route>>>;

#[derive(Debug)]
struct Route {
    inbox: Inbox,
    task: AbortHandle,
    group: String,
}

/// The group of a channel whose `open` names none.
const DEFAULT_GROUP: &str = "default";

impl Router {
    /// A router without channels that waits for the server's `init`.
    pub fn new(bridge: Arc<Bridge>) -> Self {
        Self { bridge, host: None, channels: Channels::default() }
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
        if self.host.is_none() {
            return Err(RouterError::NoInit);
        }
        match control {
            Control::Open(open) => self.open(open)?,
            Control::Close { channel, .. } => self.close(&channel),
            Control::Done { channel } => self.deliver(&channel, Incoming::Done),
            Control::Options { channel, fields } => {
                self.deliver(&channel, Incoming::Options(fields));
            }
            Control::Ping { channel: Some(channel), fields } => self.ping(&channel, fields),
            Control::Pong { channel: Some(channel), fields } => {
                if let Some(route) = lock(&self.channels).get(&channel) {
                    route.inbox.pong(&fields);
                }
            }
            Control::Ping { channel: None, fields } => {
                self.bridge
                    .outbox
                    .control(&Control::Pong { channel: None, fields });
            }
            Control::Kill { group, host } => self.kill(group.as_deref(), host.as_deref()),
            Control::Other { command, channel: None, .. } => {
                return Err(RouterError::UnknownCommand(command));
            }
            Control::Init(_)
            | Control::Ready { .. }
            | Control::Pong { channel: None, .. }
            | Control::Ack { .. }
            | Control::Authorize { .. }
            | Control::Logout { .. }
            | Control::SuperuserInitDone
            | Control::Other { channel: Some(_), .. } => {}
        }
        Ok(())
    }

    /// Takes data of a channel. Data of a channel that is closed already are dropped: the page could not know.
    ///
    /// # Errors
    ///
    /// [`RouterError::NoInit`], the server's fault.
    pub fn data(&mut self, channel: &ChannelId, payload: Bytes) -> Result<(), RouterError> {
        if self.host.is_none() {
            return Err(RouterError::NoInit);
        }
        self.deliver(channel, Incoming::Data(payload));
        Ok(())
    }

    /// Ends all channels: the link is gone.
    pub fn close_all(&mut self) {
        for (_, route) in lock(&self.channels).drain() {
            route.task.abort();
        }
    }

    fn init(&mut self, init: Init) -> Result<(), RouterError> {
        if init.version != VERSION {
            return Err(RouterError::Version(init.version));
        }
        self.host = Some(init.host.unwrap_or_else(|| "localhost".to_owned()));
        if init.fields.contains_key("superuser") {
            self.bridge.outbox.control(&Control::SuperuserInitDone);
        }
        Ok(())
    }

    fn open(&mut self, open: Open) -> Result<(), RouterError> {
        if lock(&self.channels).contains_key(&open.channel) {
            return Err(RouterError::ChannelInUse(open.channel));
        }
        if let Err(refused) = self.start(&open) {
            say_closed(&self.bridge, &open.channel, refused);
        }
        Ok(())
    }

    fn start(&mut self, open: &Open) -> Result<(), Closed> {
        if lock(&self.channels).len() >= MAX_CHANNELS {
            let message = format!("more than {MAX_CHANNELS} channels in one session");
            return Err(Closed::new(Problem::TooLarge, message));
        }
        if let Some(host) = self.other_host(open) {
            return Err(Closed::new(Problem::NoHost, format!("no connection to {host}")));
        }
        if open.superuser == Superuser::Require && !self.bridge.is_root() {
            return Err(Closed::new(Problem::AccessDenied, "superuser access is off"));
        }
        self.start_here(open)
    }

    /// The host that `open` names, when that is not this one.
    fn other_host<'a>(&self, open: &'a Open) -> Option<&'a str> {
        open.host
            .as_deref()
            .filter(|&host| Some(host) != self.host.as_deref())
    }

    fn start_here(&mut self, open: &Open) -> Result<(), Closed> {
        let kind = open.payload.as_deref().unwrap_or_default();
        let (port, inbox) = Port::new(open, Arc::clone(&self.bridge));
        let serving = channels::start(kind, open.options.clone(), port).ok_or_else(|| {
            Closed::new(Problem::NotSupported, format!("no channel of kind {kind:?}"))
        })?;
        let bridge = Arc::clone(&self.bridge);
        let channels = Arc::clone(&self.channels);
        let channel = open.channel.clone();
        // The table is held until the route stands in it, so that the task cannot take out what is not there yet.
        let mut table = lock(&self.channels);
        let task = tokio::spawn(async move {
            let ended = serving.await;
            lock(&channels).remove(&channel);
            match ended {
                Ok(fields) => {
                    bridge
                        .outbox
                        .control(&Control::Close { channel, problem: None, fields });
                }
                Err(closed) => say_closed(&bridge, &channel, closed),
            }
        });
        let group = open
            .group
            .clone()
            .unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        let route = Route { inbox, task: task.abort_handle(), group };
        table.insert(open.channel.clone(), route);
        Ok(())
    }

    fn deliver(&mut self, channel: &ChannelId, incoming: Incoming) {
        let delivered = match lock(&self.channels).get(channel) {
            Some(route) => route.inbox.deliver(incoming),
            None => Ok(()),
        };
        if let Err(closed) = delivered {
            self.refuse(channel, closed);
        }
    }

    fn ping(&mut self, channel: &ChannelId, fields: Fields) {
        let delivered = match lock(&self.channels).get(channel) {
            Some(route) => route.inbox.ping(fields),
            None => Ok(()),
        };
        if let Err(closed) = delivered {
            self.refuse(channel, closed);
        }
    }

    /// Ends a channel because the page wants it.
    fn close(&mut self, channel: &ChannelId) {
        if let Some(route) = lock(&self.channels).remove(channel) {
            route.task.abort();
        }
    }

    /// Ends a channel because we want it.
    fn refuse(&mut self, channel: &ChannelId, closed: Closed) {
        self.close(channel);
        say_closed(&self.bridge, channel, closed);
    }

    fn kill(&mut self, group: Option<&str>, host: Option<&str>) {
        if host.is_some() && host != self.host.as_deref() {
            return;
        }
        let matching: Vec<ChannelId> = lock(&self.channels)
            .iter()
            .filter(|(_, route)| group.is_none_or(|group| route.group == group))
            .map(|(channel, _)| channel.clone())
            .collect();
        for channel in matching {
            self.refuse(&channel, Closed::new(Problem::Terminated, ""));
        }
    }
}

fn say_closed(bridge: &Bridge, channel: &ChannelId, closed: Closed) {
    let (problem, fields) = closed.into_close();
    let channel = channel.clone();
    bridge
        .outbox
        .control(&Control::Close { channel, problem: Some(problem), fields });
}

fn lock(channels: &Channels) -> MutexGuard<'_, HashMap<ChannelId, Route>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}
