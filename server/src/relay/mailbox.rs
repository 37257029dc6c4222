//! What waits for one socket or external channel, from the link's reader.
//!
//! The reader of a link puts frames in and never waits; the socket's task takes all of them at once. The bound is in
//! bytes: a socket that does not take its messages is closed, and the link goes on for the others (T36). Callers:
//! [`super::link`] puts, `super::socket` and `external` take.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::sessions::End;

/// One thing for the taker, in the order in which the bridge said it.
#[derive(Debug)]
pub(crate) enum Item {
    /// A whole frame (channel id, newline, payload) for a text message: control messages and text channels.
    Text(Bytes),
    /// A whole frame for a binary message.
    Binary(Bytes),
    /// This channel is over; its `close` came before.
    Closed(Bytes),
    /// A control message to send to the bridge once all before it was delivered.
    Answer(Bytes),
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Text(frame) | Self::Binary(frame) => frame.len() + ITEM_OVERHEAD,
            Self::Closed(_) | Self::Answer(_) => ITEM_OVERHEAD,
        }
    }

    /// The same with a copy of its bytes, so that it does not keep the whole read buffer alive.
    fn detached(self) -> Self {
        let copy = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
        match self {
            Self::Text(frame) if frame.len() < SMALL_FRAME => Self::Text(copy(frame)),
            Self::Binary(frame) if frame.len() < SMALL_FRAME => Self::Binary(copy(frame)),
            Self::Closed(id) => Self::Closed(copy(id)),
            Self::Text(_) | Self::Binary(_) | Self::Answer(_) => self,
        }
    }
}

/// Why there will be nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// The session ended.
    Session(End),
    /// More waited than [`Mailbox::new`] allows.
    Overflow,
}

/// The queue between a link's reader and one taker.
#[derive(Debug)]
pub(crate) struct Mailbox {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Vec<Item>,
    /// Weight of `queue`, in bytes.
    queued: usize,
    /// Weight of what was taken last and may still wait in the taker's hands, in bytes.
    taken: usize,
    over: Option<Over>,
    /// Woken by whatever comes.
    taker: Option<Waker>,
    /// Woken by the end only: the taker cannot deliver anything now.
    stuck_taker: Option<Waker>,
}

/// What the taker finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Items were put into the taker's vector.
    Items,
    /// Nothing will come any more.
    Over(Over),
}

impl Mailbox {
    /// A mailbox that holds up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    /// Puts one item in. Returns whom to wake when the batch is through.
    pub(crate) fn put(&self, item: Item) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.over.is_some() {
            return None;
        }
        let item = if inner.queue.len() < UNCOPIED_ITEMS { item } else { item.detached() };
        inner.queued += item.weight();
        if inner.queued + inner.taken > self.limit {
            inner.over = Some(Over::Overflow);
            inner.queue = Vec::new();
            return inner.stuck_taker.take().or_else(|| inner.taker.take());
        }
        inner.queue.push(item);
        inner.taker.take()
    }

    /// Says that nothing more will come. What is queued is still delivered when the session ends.
    pub(crate) fn finish(&self, over: Over) {
        let takers = {
            let mut inner = self.lock();
            inner.over.get_or_insert(over);
            [inner.taker.take(), inner.stuck_taker.take()]
        };
        takers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Swaps all that waits into `items`, which must be empty: calling this says that the last items are delivered.
    pub(crate) fn poll_take(&self, items: &mut Vec<Item>, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            inner.taken = 0;
            if let Some(over) = &inner.over {
                return Poll::Ready(Taken::Over(over.clone()));
            }
            inner.taker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        inner.taken = std::mem::take(&mut inner.queued);
        std::mem::swap(&mut inner.queue, items);
        Poll::Ready(Taken::Items)
    }

    /// Waits for the end, for a taker that cannot deliver what it has in its hands.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Over> {
        let mut inner = self.lock();
        if let Some(over) = &inner.over {
            return Poll::Ready(over.clone());
        }
        inner.stuck_taker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one item costs beside its bytes: its place in the queue and its allocation, in bytes.
const ITEM_OVERHEAD: usize = 64;

/// Frames from this many bytes on may keep their read buffer alive.
const SMALL_FRAME: usize = 4 << 10;

/// So many waiting items may keep their read buffers alive; later small ones are copied. 64 buffers of 128 KiB are the
/// most that a socket can hold that way.
const UNCOPIED_ITEMS: usize = 64;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn frame(length: usize) -> Item {
        Item::Binary(vec![b'x'; length].into())
    }

    fn take(mailbox: &Mailbox) -> (Poll<Taken>, Vec<Item>) {
        let mut items = Vec::new();
        let taken = mailbox.poll_take(&mut items, &mut Context::from_waker(Waker::noop()));
        (taken, items)
    }

    fn over(mailbox: &Mailbox) -> Poll<Over> {
        mailbox.poll_over(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_was_taken_counts_until_the_next_take() {
        let mailbox = Mailbox::new(1_000);
        mailbox.put(frame(800));
        assert_eq!(take(&mailbox).0, Poll::Ready(Taken::Items));

        mailbox.put(frame(800));

        assert_eq!(over(&mailbox), Poll::Ready(Over::Overflow));
        assert_eq!(take(&mailbox).0, Poll::Ready(Taken::Over(Over::Overflow)));
    }

    #[test]
    fn a_taker_that_keeps_up_never_overflows() {
        let mailbox = Mailbox::new(1_000);
        for _ in 0..100 {
            mailbox.put(frame(800));
            assert_eq!(take(&mailbox).1.len(), 1);
            assert_eq!(take(&mailbox).0, Poll::Pending);
        }
        assert_eq!(over(&mailbox), Poll::Pending);
    }

    #[test]
    fn tiny_frames_are_bounded_by_their_overhead() {
        let mailbox = Mailbox::new(64_000);
        for _ in 0..2_000 {
            mailbox.put(frame(1));
        }
        assert_eq!(over(&mailbox), Poll::Ready(Over::Overflow));
    }

    #[test]
    fn small_frames_that_wait_long_let_go_of_their_read_buffer() {
        let buffer = Bytes::from(vec![b'x'; 65_536]);
        let mailbox = Mailbox::new(1 << 20);
        for _ in 0..UNCOPIED_ITEMS {
            mailbox.put(Item::Text(buffer.slice(..10)));
        }
        mailbox.put(Item::Text(buffer.slice(..10)));

        let (_, items) = take(&mailbox);

        let Some(Item::Text(last)) = items.last() else { panic!() };
        assert!(!buffer.as_ptr_range().contains(&last.as_ptr()));
    }

    #[test]
    fn what_the_bridge_said_last_is_delivered_before_the_end() {
        let mailbox = Mailbox::new(1_000);
        mailbox.put(frame(1));
        mailbox.finish(Over::Session(End::Logout));

        assert_eq!(take(&mailbox).0, Poll::Ready(Taken::Items));
        assert_eq!(take(&mailbox).0, Poll::Ready(Taken::Over(Over::Session(End::Logout))));
    }
}
