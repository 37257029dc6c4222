//! One channel's conversation with its services: the page's requests in, the bus's events in, messages for the page out.
//!
//! Nothing here waits. Each call to the bus is a job with a tag; its answer goes on where the job says. What the page is
//! told goes through its peer's queue, so that a reply comes after the news that were caused before it. Caller: `run`
//! of the channel. The parts: `calling` (calls and signals), `watching` (the cache), `publishing`.

mod calling;
mod publishing;
mod watching;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocol::dbus_json::Interface;
use protocol::problem::Problem;
use serde_json::Value as Json;
use tokio::time::Instant;
use zbus::Message;
use zbus::message::Type;

use crate::Bridge;
use crate::buses::bus::{Activation, Client, Event, Flavour, SILENCE_LIMIT};
use crate::buses::matching::{Audience, Match};
use crate::channel::Closed;

use super::messages;
use super::peer::{Owner, Peer, Scope};
use super::published::Published;
use super::requests::{Request, Selection};

/// How long our own questions (owner, introspection, properties) wait for an answer (R15). A page's calls wait as long
/// as it says: formatting a disk takes its time.
pub(super) const OWN_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Most services that one channel talks to by `name`.
const MAX_PEERS: usize = 256;

/// Most texts that may wait in one peer's queue.
const MAX_HELD: usize = 16 << 10;

/// The state of one channel.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) client: Client,
    bridge: Arc<Bridge>,
    flavour: Flavour,
    /// The services; the first is the channel's own.
    peers: Vec<Peer>,
    /// Calls under way by tag, each with its deadline.
    jobs: HashMap<u64, (Job, Option<Instant>)>,
    deadlines: BTreeSet<(Instant, u64)>,
    last_tag: u64,
    /// Calls that wait for introspection.
    calls_waiting: usize,
    /// Interfaces that the page described.
    meta: BTreeMap<String, Interface>,
    published: Published,
    output: Vec<String>,
}

/// What an answer of the bus is for. Peers are named by their index.
#[derive(Debug)]
enum Job {
    /// A call of the page.
    Call {
        peer: usize,
        id: Json,
        with_type: bool,
        with_flags: bool,
    },
    Introspection {
        peer: usize,
        path: String,
    },
    Properties {
        peer: usize,
        batch: u64,
        path: String,
        interface: String,
    },
    ManagedObjects {
        peer: usize,
        batch: u64,
        scope: Scope,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone)]
struct Failure {
    name: String,
    message: String,
}

impl Conversation {
    /// A conversation with the service `name`, or with none in particular.
    pub(super) fn new(client: Client, bridge: Arc<Bridge>, name: Option<Arc<str>>) -> Self {
        let flavour = client.bus().flavour();
        let own = Peer { name, ..Peer::default() };
        Self {
            client,
            bridge,
            flavour,
            peers: vec![own],
            jobs: HashMap::new(),
            deadlines: BTreeSet::new(),
            last_tag: 0,
            calls_waiting: 0,
            meta: BTreeMap::new(),
            published: Published::default(),
            output: Vec::new(),
        }
    }

    /// Takes what is to be told to the page, in order.
    pub(super) fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.output)
    }

    /// How many calls are not answered yet.
    pub(super) fn under_way(&self) -> usize {
        self.jobs.len() + self.calls_waiting
    }

    /// When the next call times out.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes that the channel's own service has this owner.
    pub(super) fn owner(&mut self, owner: Option<&Arc<str>>) {
        self.owner_of(0, owner);
    }

    /// Takes a message of the page.
    pub(super) fn request(&mut self, data: &[u8]) -> Result<(), Closed> {
        match Request::parse(data)? {
            Request::Call(call) => self.call(call),
            Request::Signal(emission) => self.emit(emission)?,
            Request::AddMatch(selection) => {
                let wish = self.page_match(&selection)?;
                self.client.listen(wish);
            }
            Request::RemoveMatch(selection) => {
                let wish = self.page_match(&selection)?;
                self.client.ignore(&wish);
            }
            Request::Watch(selection, id) => self.watch(&selection, id.as_ref())?,
            Request::Unwatch(selection) => self.unwatch(&selection)?,
            Request::Meta(interfaces) => {
                for (name, meta) in interfaces {
                    let interface = Interface::from_meta(&name, &meta)
                        .map_err(|error| Closed::protocol_error(error.to_string()))?;
                    self.meta.insert(name, interface);
                }
            }
            Request::Publish(address, id) => self.publish(address, id.as_ref()),
            Request::Unpublish(address) => self.unpublish(&address),
            Request::Notify(changes) => self.notify(&changes)?,
            Request::Reply { id, arguments, signature } => {
                self.answer_call(&id, &arguments, signature.as_deref());
            }
            Request::Error { id, name, arguments } => self.refuse_call(&id, &name, &arguments),
        }
        Ok(())
    }

    /// Takes what the bus sent.
    pub(super) fn event(&mut self, event: Event) -> Result<(), Closed> {
        match event {
            Event::Reply(tag, message) => {
                if let Some(job) = self.take_job(tag) {
                    self.answered(job, Ok(message));
                }
            }
            Event::Silence(tag) => {
                if let Some(job) = self.take_job(tag) {
                    self.answered(job, Err(Failure::silence()));
                }
            }
            Event::Signal { message, for_page, for_cache } => {
                // The cache first: the page's listeners then find the values that the signal is about.
                if for_cache {
                    self.cache_signal(&message);
                }
                if for_page {
                    self.page_signal(&message);
                }
            }
            Event::Call(message) => self.called(message),
            Event::Owner(name, owner) => {
                if let Some(peer) = self
                    .peers
                    .iter()
                    .position(|peer| peer.name.as_ref() == Some(&name))
                {
                    self.owner_of(peer, owner.as_ref());
                }
            }
            Event::RuleRefused(reason) => {
                return Err(Closed::new(
                    Problem::TooLarge,
                    format!("the bus refuses a match: {reason}"),
                ));
            }
        }
        if self.peers.iter().any(|peer| peer.queue.len() > MAX_HELD) {
            let message = "too many messages wait for a service that does not answer introspection";
            return Err(Closed::new(Problem::TooLarge, message));
        }
        Ok(())
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((deadline, tag)) = self.deadlines.first().copied() {
            if deadline > now {
                return;
            }
            match self.take_job(tag) {
                Some(job) => self.answered(job, Err(Failure::timeout())),
                None => {
                    self.deadlines.remove(&(deadline, tag));
                }
            }
        }
    }

    fn answered(&mut self, job: Job, outcome: Result<Message, Failure>) {
        match job {
            Job::Call { peer, id, with_type, with_flags } => {
                self.call_answered(peer, &id, (with_type, with_flags), outcome);
            }
            Job::Introspection { peer, path } => self.introspected(peer, &path, &outcome),
            Job::Properties { peer, batch, path, interface } => {
                self.properties_read(peer, batch, (&path, &interface), outcome.ok().as_ref());
            }
            Job::ManagedObjects { peer, batch, scope } => {
                self.objects_read(peer, batch, &scope, outcome.ok().as_ref());
            }
        }
    }

    /// Sends a call and remembers what its answer is for.
    fn start(&mut self, message: Message, job: Job, timeout: Option<Duration>) {
        self.last_tag += 1;
        let tag = self.last_tag;
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, tag));
        }
        self.jobs.insert(tag, (job, deadline));
        self.client.call(message, tag);
    }

    fn take_job(&mut self, tag: u64) -> Option<Job> {
        let (job, deadline) = self.jobs.remove(&tag)?;
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, tag));
        }
        Some(job)
    }

    /// The peer that a message means by `name`.
    fn peer_named(&mut self, name: Option<&Arc<str>>) -> Result<usize, Failure> {
        let Some(name) = name.filter(|_| self.flavour == Flavour::Daemon) else {
            return match self.peer(0) {
                Some(own) if own.name.is_none() && self.flavour == Flavour::Daemon => {
                    Err(Failure::invalid(
                        "neither the channel nor the message says which service is meant",
                    ))
                }
                Some(_) | None => Ok(0),
            };
        };
        let known = self
            .peers
            .iter()
            .position(|peer| peer.name.as_ref() == Some(name));
        if let Some(known) = known {
            return Ok(known);
        }
        if self.peers.len() >= MAX_PEERS {
            let message = format!("one channel talks to at most {MAX_PEERS} services");
            return Err(Failure::new("org.freedesktop.DBus.Error.LimitsExceeded", message));
        }
        self.peers.push(Peer::other(Arc::clone(name)));
        self.client.track(name, Activation::Leave);
        Ok(self.peers.len() - 1)
    }

    fn peer(&self, peer: usize) -> Option<&Peer> {
        self.peers.get(peer)
    }

    fn peer_mut(&mut self, peer: usize) -> Option<&mut Peer> {
        self.peers.get_mut(peer)
    }

    /// The peer that sent `message`; the channel's own when nobody knows, as a single program does not say who it is.
    fn peer_of_sender(&self, message: &Message) -> Option<usize> {
        let header = message.header();
        let Some(sender) = header.sender().filter(|_| self.flavour == Flavour::Daemon) else {
            return Some(0);
        };
        self.peers.iter().position(|peer| match &peer.owner {
            Owner::Known(Some(owner)) => **owner == *sender.as_str(),
            Owner::Known(None) | Owner::Unknown => false,
        })
    }

    /// Tells `text` in its order.
    fn tell(&mut self, peer: usize, text: String) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.queue.push(text, &mut self.output);
        }
    }

    /// Tells the news of a peer, and then what waited for them.
    fn tell_news(&mut self, peer: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.tell_news(&self.meta, &mut self.output);
            peer.queue.release(&mut self.output);
        }
    }

    fn page_match(&mut self, selection: &Selection) -> Result<Match, Closed> {
        let name = match (&selection.name, self.flavour) {
            (_, Flavour::Peer) => None,
            (None, Flavour::Daemon) => self.peer(0).and_then(|own| own.name.clone()),
            (Some(name), Flavour::Daemon) => {
                self.peer_named(Some(name))
                    .map_err(|failure| Closed::new(Problem::TooLarge, failure.message))?;
                Some(Arc::clone(name))
            }
        };
        Ok(Match {
            audience: Audience::Page,
            name,
            path: selection.path.clone(),
            interface: selection.interface.clone(),
            member: selection.member.clone(),
            arg0: selection.arg0.clone(),
        })
    }
}

impl Failure {
    fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(messages::INVALID_ARGS, message)
    }

    fn silence() -> Self {
        let seconds = SILENCE_LIMIT.as_secs();
        let message = format!("the message bus has not answered for {seconds} seconds");
        Self::new("org.freedesktop.DBus.Error.Timeout", message)
    }

    fn timeout() -> Self {
        Self::new("org.freedesktop.DBus.Error.Timeout", "the service did not answer in time")
    }
}

/// The failure that `message` is, when it is an error.
fn failure_of(message: &Message) -> Option<Failure> {
    if message.message_type() != Type::Error {
        return None;
    }
    let header = message.header();
    let name = header.error_name().map_or("", |name| name.as_str());
    let body = message.body();
    let text = crate::buses::bus::reader(message, body.data().bytes())
        .string()
        .unwrap_or_default()
        .to_owned();
    Some(Failure::new(name, text))
}
