//! Waits for descriptors for which tokio has no type of its own: inotify, terminals, pipes opened by name, sockets of
//! packets, sockets that carry descriptors, processes.
//!
//! Callers: `path_watch`, `parent`, `buses`, `channels::{fsread, packet}`.

use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

/// A descriptor that can be waited for. It must be in non-blocking mode.
///
/// # Errors
///
/// The kernel does not know how to wait for it (`/dev/null`, regular files); the descriptor comes back.
pub fn watched(
    fd: OwnedFd,
    interest: Interest,
) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe because a type may lie about its descriptor; OwnedFd does not"
    )]
    AsyncFd::try_with_interest(fd, interest)
}
