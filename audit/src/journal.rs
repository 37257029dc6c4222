//! Entries on their way to journald, by its own protocol: one datagram each.
//!
//! Sending never waits: an entry that journald does not take at once is given back to the caller, who has other ways to
//! say it. Nothing is kept. Source: systemd's "Native Journal Protocol".

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::Entry;

/// Where journald listens (`systemd-journald.service(8)`).
const SOCKET: &str = "/run/systemd/journal/socket";

/// A way to journald. It outlives a restart of journald.
#[derive(Debug)]
pub struct Journal(UnixDatagram);

impl Journal {
    /// A way to the journal of this machine; `None` where it has none.
    pub fn open() -> Option<Self> {
        Path::new(SOCKET).exists().then_some(())?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self(socket))
    }

    /// Sends one entry.
    ///
    /// # Errors
    ///
    /// journald does not take it: it has ended, or is busy.
    pub fn send(&self, entry: &Entry) -> io::Result<()> {
        self.0.send_to(entry.native().as_bytes(), SOCKET).map(drop)
    }
}

/// Whether this process's standard error is read by journald, which says so in `JOURNAL_STREAM`
/// (`systemd.exec(5)`): then a line there would say a second time what an entry says.
pub fn reads_standard_error() -> bool {
    let stderr = std::fs::metadata("/proc/self/fd/2");
    let own = stderr.map(|stderr| format!("{}:{}", stderr.dev(), stderr.ino()));
    own.is_ok_and(|own| std::env::var("JOURNAL_STREAM").is_ok_and(|journal| journal == own))
}
