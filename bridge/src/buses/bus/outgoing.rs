//! Messages on their way to the bus: all that has gathered goes with one system call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zbus::Message;

use crate::buses::socket::Socket;

/// Bytes on their way to the bus before channels wait to send more.
const ROOM: usize = 1 << 20;

/// Capacity in bytes that an idle queue keeps.
const IDLE_CAPACITY: usize = 16 << 10;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Bytes that are being written.
    writing: usize,
    broken: bool,
}

impl Outgoing {
    /// Puts a message in. It has no descriptors: nothing that a page says becomes one.
    pub(super) fn put(&self, message: &Message) {
        let mut queue = self.lock();
        if queue.broken {
            return;
        }
        let was_empty = queue.waiting.is_empty();
        queue.waiting.extend_from_slice(message.data().bytes());
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Waits until not too much is on its way.
    pub(super) async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let queue = self.lock();
                if queue.waiting.len() + queue.writing < ROOM || queue.broken {
                    return;
                }
            }
            drained.await;
        }
    }

    /// The connection ended: nothing is taken any more.
    pub(super) fn broken(&self) {
        *self.lock() = Queue { broken: true, ..Queue::default() };
        self.drained.notify_waiters();
    }

    /// Exchanges what waits for the empty `bytes`.
    fn take(&self, bytes: &mut Vec<u8>) {
        let mut queue = self.lock();
        std::mem::swap(&mut queue.waiting, bytes);
        queue.writing = bytes.len();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what is put in until the connection ends.
pub(super) async fn write_all(outgoing: Arc<Outgoing>, socket: Arc<Socket>) {
    let mut bytes = Vec::new();
    loop {
        outgoing.take(&mut bytes);
        if bytes.is_empty() {
            if bytes.capacity() > IDLE_CAPACITY {
                bytes = Vec::new();
            }
            outgoing.filled.notified().await;
            continue;
        }
        if socket.write_all(&bytes).await.is_err() {
            // The reading task hears of it, and tells everybody.
            return socket.shut();
        }
        bytes.clear();
        outgoing.drained.notify_waiters();
    }
}
