//! The outbox: frames on their way to the other end of a link.
//!
//! Channels put frames in without waiting, and before they make more they wait for room; one task writes all that
//! has gathered with one system call. That is the whole of back-pressure: a link that is not read fills the
//! outbox, and then nobody reads more from their process or file. Callers: `port`, `router`, `peer`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use protocol::control::Control;
use protocol::frame;
use protocol::names::ChannelId;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// Bytes that may wait in an outbox before senders wait for room: enough to keep a link busy, little enough that
/// a session stays small.
pub const OUTBOX_ROOM: usize = 512 << 10;

/// Capacity in bytes that an idle outbox keeps.
const IDLE_CAPACITY: usize = 16 << 10;

/// A handle to put frames on one link. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    stream: BytesMut,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Nothing more will be put in; the writer ends when it has written the rest.
    Finished,
    /// The other end is gone; what is put in is dropped.
    Broken,
}

impl Outbox {
    /// An outbox, and the task that writes it to `writer` until it is finished or the writer fails.
    pub fn new<W>(writer: W) -> (Self, impl Future<Output = ()> + Send + use<W>)
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let outbox = Self(Arc::default());
        let task = write_out(Arc::clone(&outbox.0), writer);
        (outbox, task)
    }

    /// Puts a data frame in.
    pub fn data(&self, channel: &ChannelId, payload: &[u8]) {
        self.put(|stream| frame::encode_data(channel, payload, stream));
    }

    /// Puts a control message in.
    pub fn control(&self, message: &Control) {
        self.control_bytes(&message.to_bytes());
    }

    /// Puts a control message in that stands ready as JSON.
    pub fn control_bytes(&self, message: &[u8]) {
        self.put(|stream| frame::encode_control(message, stream));
    }

    /// Puts in frames that stand ready as they go on the link.
    pub fn stream(&self, frames: &[u8]) {
        self.put(|stream| stream.extend_from_slice(frames));
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().stream.len()
    }

    /// Waits until there is room; at once when there is, and when the link is gone.
    pub async fn room(&self) {
        loop {
            let freed = self.0.room.notified();
            {
                let waiting = self.0.lock();
                if waiting.stream.len() < OUTBOX_ROOM || waiting.state == State::Broken {
                    return;
                }
            }
            freed.await;
        }
    }

    /// Nothing more will be put in: the writing task ends when it has written the rest.
    pub fn finish(&self) {
        let mut waiting = self.0.lock();
        if waiting.state == State::Open {
            waiting.state = State::Finished;
        }
        self.0.filled.notify_one();
    }

    fn put(&self, encode: impl FnOnce(&mut BytesMut)) {
        let mut waiting = self.0.lock();
        if waiting.state != State::Open {
            return;
        }
        let was_empty = waiting.stream.is_empty();
        encode(&mut waiting.stream);
        if was_empty {
            self.0.filled.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges what waits for the empty `stream`; false when nothing more will come.
    fn take(&self, stream: &mut BytesMut) -> bool {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.stream, stream);
        !stream.is_empty() || waiting.state == State::Open
    }

    fn broken(&self) {
        let mut waiting = self.lock();
        waiting.state = State::Broken;
        waiting.stream = BytesMut::new();
    }
}

async fn write_out<W: AsyncWrite + Unpin>(shared: Arc<Shared>, mut writer: W) {
    let mut stream = BytesMut::new();
    while shared.take(&mut stream) {
        if stream.is_empty() {
            if stream.capacity() > IDLE_CAPACITY {
                stream = BytesMut::new();
            }
            shared.filled.notified().await;
            continue;
        }
        if writer.write_all(&stream).await.is_err() {
            shared.broken();
            shared.room.notify_waiters();
            return;
        }
        stream.clear();
        shared.room.notify_waiters();
    }
    let _other_end_may_be_gone = writer.shutdown().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn frames_come_out_in_order_and_the_task_ends_when_finished() {
        let (writer, mut reader) = tokio::io::duplex(7);
        let (outbox, task) = Outbox::new(writer);
        let task = tokio::spawn(task);
        let channel = ChannelId::try_from("4").unwrap();

        outbox.data(&channel, b"one");
        outbox.control(&Control::Done { channel });
        outbox.finish();

        let mut stream = String::new();
        reader.read_to_string(&mut stream).await.unwrap();
        assert_eq!(stream, "5\n4\none33\n\n{\"channel\":\"4\",\"command\":\"done\"}");
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_link_that_is_not_read_leaves_no_room_and_a_broken_one_lets_everybody_go() {
        let (writer, reader) = tokio::io::duplex(64);
        let (outbox, task) = Outbox::new(writer);
        tokio::spawn(task);
        let channel = ChannelId::try_from("4").unwrap();
        outbox.data(&channel, &vec![0; 1024]);
        tokio::task::yield_now().await;
        outbox.data(&channel, &vec![0; OUTBOX_ROOM]);

        let sender = outbox.clone();
        let waiting = tokio::spawn(async move { sender.room().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());

        drop(reader);
        waiting.await.unwrap();
    }
}
