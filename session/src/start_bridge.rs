//! The user's bridge: whether the account may have one, its environment, its socket, its end.
//!
//! Caller: `lib`, once PAM's session is open. What the child does once it is the user is in `as_user`. After the start
//! nothing is read from the user's side.

mod as_user;

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use protocol::secret::Secret;
use rustix::fs::{Access, access};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::become_user::{Account, Privilege, fork_as_user, next_signal};
use crate::messages::{BridgeEnd, Message};

/// Environment variable with the number of the descriptor from which the bridge reads the password to its end.
pub const PASSWORD_FD: &str = "PILOTHOUSE_PASSWORD_FD";

/// Environment variable with the number of a descriptor of a file with PAM's texts, UTF-8, one or more lines each.
pub const LOGIN_MESSAGES_FD: &str = "PILOTHOUSE_LOGIN_MESSAGES_FD";

/// The program that becomes the user's bridge.
#[derive(Clone, Debug)]
pub struct BridgeProgram {
    /// Absolute path; the user must be able to execute it.
    pub path: PathBuf,
    /// All arguments, the first of which is the name it is called by.
    pub arguments: Vec<OsString>,
}

/// What a bridge is started with.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a BridgeProgram,
    pub(crate) account: &'a Account,
    pub(crate) privilege: Privilege,
    pub(crate) pam_environment: Vec<CString>,
    pub(crate) messages: Vec<Message>,
    pub(crate) password: Option<Secret>,
}

/// Whether the account's shell lets its owner do anything: it can be executed and is a login shell of this machine.
pub(crate) fn shell_is_supported(shell: &Path) -> bool {
    let name = shell.file_name().and_then(OsStr::to_str);
    let refuses = matches!(name, Some("nologin" | "false"));
    let executable = fs::metadata(shell).is_ok_and(|file| file.is_file())
        && access(shell, Access::EXEC_OK).is_ok();
    // shells(5)
    let listed = fs::read("/etc/shells").map_or(true, |list| {
        list.split(|byte| *byte == b'\n')
            .any(|line| line.trim_ascii() == shell.as_os_str().as_bytes())
    });
    executable && listed && !refuses
}

/// Starts the bridge. Returns its process and the server's end of its socket.
pub(crate) fn start_bridge(plan: &Plan<'_>) -> io::Result<(Pid, OwnedFd)> {
    let (for_bridge, for_server) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let pid = fork_as_user(plan.account, plan.privilege, || {
        as_user::become_bridge(plan, for_bridge.as_fd())
    })?;
    Ok((pid, for_server))
}

/// Waits until the bridge has ended, and then for the jobs that it left behind. Told to stop, it ends the bridge,
/// the second time by force, and leaves the jobs.
pub(crate) fn wait_for_end(bridge: Pid) -> BridgeEnd {
    let mut ended = None;
    let mut order_to_end = None;
    loop {
        while let Ok(Some((child, status))) = wait(WaitOptions::NOHANG) {
            if child == bridge {
                ended = Some(status);
            }
        }
        if let Some(status) = ended
            && (order_to_end.is_some() || !has_jobs())
        {
            let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
            return match number(status.terminating_signal()) {
                Some(signal) => BridgeEnd::Killed(signal),
                None => BridgeEnd::Exited(number(status.exit_status()).unwrap_or_default()),
            };
        }
        if next_signal() != Some(nix::sys::signal::SIGCHLD) {
            let order = if order_to_end.is_none() { Signal::TERM } else { Signal::KILL };
            order_to_end = Some(order);
            if ended.is_none() {
                // Our child, and not reaped: its process id is its own. It may just have ended.
                let _ = kill_process(bridge, order);
            }
        }
    }
}

/// Whether a child that came to this subreaper is a `pilothouse job`. Other programs that detached themselves are
/// the user's and logind's business.
fn has_jobs() -> bool {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    children.split_ascii_whitespace().any(|child| {
        fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).nth(1) == Some(b"job"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_must_be_a_program_and_listed() {
        assert!(shell_is_supported(Path::new("/bin/sh")));
        for shell in ["/usr/sbin/nologin", "/bin/false", "/etc/passwd", "/no/such", "", "/bin/cat"]
        {
            assert!(!shell_is_supported(Path::new(shell)), "{shell}");
        }
    }
}
