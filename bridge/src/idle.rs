//! Idleness: when a session was last used by a person, and what keeps it from counting as unused.
//!
//! A page says `active` on a `session-control` channel when its user does something; all such channels of a session
//! share this. A terminal in whose foreground a program runs keeps the session (T18). The time comes from the
//! server's `init`; a server that gives none (Cockpit's) does not log out.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::watch;
use tokio::time::Instant;

/// Name of the member of the server's `init`: seconds without use after which the session ends; 0 for never.
pub const INIT_MEMBER: &str = "idle-timeout";

/// The idleness of one session.
#[derive(Debug)]
pub struct Idle {
    limit: watch::Sender<Option<Duration>>,
    active: watch::Sender<Instant>,
    terminals: Mutex<Vec<Weak<Terminal>>>,
}

/// A terminal of the session, as long as its channel holds it.
#[derive(Debug)]
pub struct Terminal {
    /// Our end of it.
    pub control: OwnedFd,
    /// The shell: when it is in the foreground itself, it waits for its user.
    pub leader: Option<Pid>,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            limit: watch::Sender::new(None),
            active: watch::Sender::new(Instant::now()),
            terminals: Mutex::default(),
        }
    }
}

impl Idle {
    /// Takes the time from the server's `init`.
    pub fn set_limit(&self, seconds: u64) {
        self.limit
            .send_replace((seconds > 0).then(|| Duration::from_secs(seconds)));
    }

    /// After how long an unused session ends; `None` for never.
    pub fn limit(&self) -> Option<Duration> {
        *self.limit.borrow()
    }

    /// The session was used just now.
    pub fn used(&self) {
        self.active.send_replace(Instant::now());
    }

    /// When it was last used, and each time that it is used again.
    pub fn last_used(&self) -> watch::Receiver<Instant> {
        self.active.subscribe()
    }

    /// Watches a terminal as long as what is returned lives.
    pub fn watch_terminal(&self, terminal: Terminal) -> Arc<Terminal> {
        let terminal = Arc::new(terminal);
        let mut terminals = self
            .terminals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        terminals.retain(|other| other.strong_count() > 0);
        terminals.push(Arc::downgrade(&terminal));
        terminal
    }

    /// Whether a program runs in the foreground of a terminal.
    pub fn is_busy(&self) -> bool {
        let terminals = self
            .terminals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        terminals
            .iter()
            .filter_map(Weak::upgrade)
            .any(|terminal| terminal.is_busy())
    }
}

impl Terminal {
    fn is_busy(&self) -> bool {
        let foreground = rustix::termios::tcgetpgrp(&self.control).ok();
        foreground.is_some() && foreground != self.leader
    }
}
