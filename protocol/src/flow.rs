//! Flow control of one channel: how much may be sent before the other end has answered.
//!
//! The sender counts payload bytes. Each time it crosses a block of [`FLOW_BLOCK`] bytes it sends a `ping` with its
//! count; the receiver answers with a `pong` once it has *used* what came before. The sender stops
//! [`FLOW_WINDOW`] bytes past the last `pong`. Callers: `bridge::port`. Text: docs/protocol.md, "Flow control".

use crate::limits::{FLOW_BLOCK, FLOW_WINDOW};

/// The sending half of a channel with flow control.
#[derive(Debug, Default)]
pub struct SendWindow {
    sent: u64,
    answered: u64,
}

impl SendWindow {
    /// Whether another block may be sent now. A block that was begun may overshoot the window.
    pub fn is_open(&self) -> bool {
        self.sent < self.answered + FLOW_WINDOW
    }

    /// Counts `bytes` as sent; `Some(sequence)` asks for a `ping` with that sequence after them.
    pub fn sent(&mut self, bytes: usize) -> Option<u64> {
        let before = self.sent / FLOW_BLOCK;
        self.sent += bytes as u64;
        (self.sent / FLOW_BLOCK != before).then_some(self.sent)
    }

    /// Takes a `pong`. One that claims more than was sent counts for what was sent; an old one changes nothing.
    pub fn answered(&mut self, sequence: u64) {
        self.answered = self.answered.max(sequence.min(self.sent));
    }
}

#[test]
fn window_closes_after_two_mebibytes_and_opens_with_the_answer() {
    let mut window = SendWindow::default();
    while window.is_open() {
        assert_eq!(window.sent(1 << 14).map(|sequence| sequence % FLOW_BLOCK), Some(0));
    }
    assert_eq!(window.sent, FLOW_WINDOW);

    window.answered(1 << 14);
    assert!(window.is_open());
}

#[test]
fn an_answer_for_bytes_never_sent_does_not_widen_the_window() {
    let mut window = SendWindow::default();
    window.sent(10);
    window.answered(u64::MAX);
    assert_eq!(window.answered, 10);
}
