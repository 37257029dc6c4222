//! What a connection knows of its channels: their queues, the calls under way, and whose turn it is.
//!
//! Nothing here waits or sends. Locked for one step at a time by `bus`, and by a channel through its `client`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};
use zbus::Message;

use super::names::Name;
use super::silence::Silence;
use super::{Event, Flavour};
use crate::buses::matching::Match;

/// Bytes that may wait for one channel: a page that does not read while signals pour in.
const QUEUE_BYTES: usize = 64 << 20;

/// Calls of all channels together that may be under way on a message bus, and those of one channel. The system bus
/// refuses more than 128 of one connection; what is beyond waits here for its turn.
const MAX_UNDER_WAY: usize = 124;
const MAX_UNDER_WAY_OF_ONE: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) gone: bool,
    pub(super) last_client: u64,
    pub(super) clients: HashMap<u64, ClientEntry>,
    pub(super) pending: HashMap<NonZeroU32, Pending>,
    /// Calls of channels that are under way.
    pub(super) under_way: usize,
    /// Calls of channels that wait for their turn.
    pub(super) backlog: VecDeque<(u64, u64, Message)>,
    /// How many matches need each rule.
    pub(super) rules: HashMap<String, usize>,
    pub(super) names: HashMap<Arc<str>, Name>,
    pub(super) silence: Silence,
    /// Who published what: path and interface.
    pub(super) published: HashMap<(String, String), u64>,
}

#[derive(Debug)]
pub(super) struct ClientEntry {
    /// None once the client ended.
    pub(super) events: Option<mpsc::Sender<Event>>,
    pub(super) ended: Arc<Notify>,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
    pub(super) under_way: usize,
    pub(super) matches: Vec<Match>,
    pub(super) names: HashSet<Arc<str>>,
}

/// What is done with a reply.
#[derive(Debug)]
pub(super) enum Pending {
    Client {
        client: u64,
        tag: u64,
    },
    Rule {
        client: u64,
    },
    /// The answer to `GetNameOwner`.
    Owner(Arc<str>),
    /// The answer to our question whether the bus is there.
    Presence,
    /// The answer to `StartServiceByName`.
    Start(Arc<str>),
}

impl Table {
    pub(super) fn push(&mut self, client: u64, event: Event) {
        let Some(entry) = self.clients.get_mut(&client) else {
            return;
        };
        let bytes = event.bytes();
        let waiting = entry.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = waiting == 0 || waiting + bytes <= QUEUE_BYTES;
        let taken = fits
            && entry
                .events
                .as_ref()
                .is_some_and(|events| events.try_send(event).is_ok());
        if !taken {
            entry.end();
        }
    }

    /// Takes the next call that may be sent out of the backlog.
    pub(super) fn next_call(&mut self, flavour: Flavour) -> Option<(u64, u64, Message)> {
        if flavour == Flavour::Daemon && self.under_way >= MAX_UNDER_WAY {
            return None;
        }
        let clients = &self.clients;
        let at = self.backlog.iter().position(|(client, _, _)| {
            flavour == Flavour::Peer
                || clients
                    .get(client)
                    .is_some_and(|client| client.under_way < MAX_UNDER_WAY_OF_ONE)
        })?;
        let call = self.backlog.remove(at)?;
        self.under_way += 1;
        if let Some(entry) = self.clients.get_mut(&call.0) {
            entry.under_way += 1;
        }
        Some(call)
    }
}

impl ClientEntry {
    pub(super) fn end(&mut self) {
        self.events = None;
        self.ended.notify_one();
    }
}

impl Event {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Reply(_, message) | Self::Call(message) | Self::Signal { message, .. } => {
                message.data().bytes().len()
            }
            Self::Owner(_, _) | Self::RuleRefused(_) | Self::Silence(_) => 0,
        }
    }
}
