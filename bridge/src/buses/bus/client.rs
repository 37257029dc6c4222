//! A channel's part in a connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};
use zbus::Message;

use super::table::ClientEntry;
use super::{Bus, End, Event};

/// Messages that may wait for one channel: a page that does not read while signals pour in.
const QUEUE_MESSAGES: usize = 16 << 10;

/// A channel's part in a connection. Dropping it undoes all that it asked for.
#[derive(Debug)]
pub struct Client {
    pub(super) bus: Arc<Bus>,
    pub(super) id: u64,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) ended: Arc<Notify>,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
}

impl Bus {
    /// A channel's part in the connection.
    pub fn client(self: &Arc<Self>) -> Client {
        let (sender, events) = mpsc::channel(QUEUE_MESSAGES);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(Notify::new());
        let mut table = self.table();
        table.last_client += 1;
        let id = table.last_client;
        let entry = ClientEntry {
            events: Some(sender).filter(|_| !table.gone),
            ended: Arc::clone(&ended),
            waiting_bytes: Arc::clone(&waiting_bytes),
            under_way: 0,
            matches: Vec::new(),
            names: HashSet::new(),
        };
        table.clients.insert(id, entry);
        drop(table);
        Client { bus: Arc::clone(self), id, events, ended, waiting_bytes }
    }
}

impl Client {
    /// The connection.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Waits for what comes from the bus; `None` when nothing more will.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.waiting_bytes
            .fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// The next event if there is one already.
    pub fn next_now(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        self.waiting_bytes
            .fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// Waits until nothing more is added to what comes. For one caller, once.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Why nothing more comes.
    pub fn end(&self) -> End {
        if self.bus.is_gone() { End::Gone } else { End::Overfull }
    }

    /// Waits until not too much is on its way to the bus.
    pub async fn room(&self) {
        self.bus.outgoing.room().await;
    }

    /// Sends a call; its reply comes with `tag`.
    pub fn call(&self, message: Message, tag: u64) {
        let mut table = self.bus.table();
        if table.gone {
            return;
        }
        table.backlog.push_back((self.id, tag, message));
        self.bus.send_backlog(&mut table);
    }

    /// Sends a message that has no reply.
    pub fn send(&self, message: &Message) {
        self.bus.outgoing.put(message);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut table = self.bus.table();
        let Some(entry) = table.clients.remove(&self.id) else {
            return;
        };
        table.published.retain(|_, client| *client != self.id);
        table.backlog.retain(|(client, _, _)| *client != self.id);
        if table.gone {
            return;
        }
        for wish in &entry.matches {
            self.bus.remove_rule(&mut table, &wish.rule());
        }
        for name in &entry.names {
            self.bus.forget_name_user(&mut table, name);
        }
    }
}
