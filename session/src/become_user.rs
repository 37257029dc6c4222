//! Becoming the user: accounts, groups, the fork, and the steps without a way back.
//!
//! The parent stays root to close the PAM session; only the child changes, right before it executes the bridge.
//! Callers: `lib` for this process, `pam` for accounts, `start_bridge` for the child. It never reads anything of
//! the user's. Source: `credentials(7)`, `getpwnam_r(3)`, `initgroups(3)`, `signal(7)`.
#![expect(unsafe_code, reason = "fork, exec, signal masks and the name service are C interfaces")]

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_int};
use std::fmt::Display;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{self, SigSet};
use nix::unistd::{Gid, Uid, User, alarm, initgroups, setresgid, setresuid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getrlimit, kill_process,
    kill_process_group, set_dumpable_behavior, setrlimit, setsid, umask, waitpid,
};
use rustix::stdio::stderr;

/// Whether this helper may become somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Anybody.
    Root,
    /// Only the user it already is (`pilothouse run` of a plain user).
    PlainUser,
}

impl Privilege {
    pub(crate) fn of_this_process() -> Self {
        if Uid::effective().is_root() { Self::Root } else { Self::PlainUser }
    }

    pub(crate) fn may_become(self, account: &Account) -> bool {
        self == Self::Root || account.0.uid == Uid::current()
    }
}

/// An account as the name service knows it.
#[derive(Debug)]
pub(crate) struct Account(User);

impl Account {
    /// The account called `name`; `None` if there is none.
    pub(crate) fn look_up(name: &CStr) -> io::Result<Option<Self>> {
        let name = name.to_str().map_err(io::Error::other)?;
        Ok(User::from_name(name)?.map(Self))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.uid.is_root()
    }

    pub(crate) fn home(&self) -> &Path {
        &self.0.dir
    }

    /// The shell; an empty field means `/bin/sh` (`passwd(5)`).
    pub(crate) fn shell(&self) -> &Path {
        let empty = self.0.shell.as_os_str().is_empty();
        if empty { Path::new("/bin/sh") } else { &self.0.shell }
    }

    /// Gives this process the account's groups.
    pub(crate) fn set_groups(&self) -> io::Result<()> {
        let name = CString::new(self.name())?;
        Ok(initgroups(&name, self.0.gid)?)
    }

    /// Gives up everything that is not the account's, and proves that it cannot come back.
    fn become_user_irrevocably(&self) -> io::Result<()> {
        let (uid, gid) = (self.0.uid, self.0.gid);
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        let (root, roots_group) = (Uid::from_raw(0), Gid::from_raw(0));
        if uid != root && setresuid(root, root, root).is_ok() {
            return Err(io::Error::other("root could be had back"));
        }
        let others_group = uid != root && gid != roots_group;
        if others_group && setresgid(roots_group, roots_group, roots_group).is_ok() {
            return Err(io::Error::other("the group of root could be had back"));
        }
        Ok(())
    }
}

/// What this process had before it protected itself, and the user's session gets again.
#[must_use]
pub(crate) struct Protected {
    core: Rlimit,
}

/// Makes this process unreadable and gives it the signals and the folder of a fresh one.
pub(crate) fn protect_this_process() -> io::Result<Protected> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // The hard limit stays: nobody but root could raise it again for the user's session.
    let core = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum })?;
    std::env::set_current_dir("/")?;
    for signal in 1..=libc::SIGRTMAX() {
        set_default(signal);
    }
    // Writing to a client that has gone is an error like any other.
    // SAFETY: ignoring a signal involves no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    SigSet::empty().thread_set_mask()?;
    Ok(Protected { core })
}

impl Protected {
    /// Restores the limit and the usual umask, before modules like `pam_limits` and `pam_umask` set theirs.
    pub(crate) fn restore_for_session(self) -> io::Result<()> {
        setrlimit(Resource::Core, self.core)?;
        umask(Mode::from_raw_mode(0o022));
        Ok(())
    }
}

/// Ends this process after `time` in whole seconds, even while a PAM module hangs; zero takes the order back.
pub(crate) fn end_this_process_after(time: Duration) {
    // SIGALRM has its default action, which ends the process.
    let _the_order_before = match u32::try_from(time.as_secs()).unwrap_or(u32::MAX) {
        0 => alarm::cancel(),
        seconds => alarm::set(seconds),
    };
}

/// Ends this process and what it has started as soon as the other end of `socket` speaks or hangs up, even while a
/// PAM module hangs. Nothing of the process is asked for it: the kernel sends a signal (`fcntl(2)`, `O_ASYNC`).
///
/// # Errors
///
/// `UnexpectedEof`: the other end has done so already. What has happened before raises no signal.
pub(crate) fn end_this_process_with(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    let handler: extern "C" fn(c_int) = end_with_children;
    // SAFETY: the handler makes nothing but system calls, takes no lock and does not return.
    unsafe { libc::signal(libc::SIGIO, handler as libc::sighandler_t) };
    let own = getpid().as_raw_nonzero().get();
    // SAFETY: no pointers; the descriptor is borrowed.
    checked(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETOWN, own) })?;
    fcntl_setfl(socket, fcntl_getfl(socket)? | OFlags::ASYNC)?;
    let mut before = [PollFd::from_borrowed_fd(socket, PollFlags::IN | PollFlags::RDHUP)];
    if poll(&mut before, Some(&Timespec::default()))? == 0 {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Takes the order of [`end_this_process_with`] back.
pub(crate) fn outlive(socket: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(&socket, fcntl_getfl(&socket)? - OFlags::ASYNC)?)
}

/// What runs when the client is gone while PAM works. This process has one thread, so its children wait for being
/// reaped and their process ids are their own; `pam_exec` makes its program the leader of a process group.
extern "C" fn end_with_children(_signal: c_int) {
    const WHY: &[u8] = b"pilothouse session: the server hung up while PAM was at work\n";
    let mut list = [0; 4096];
    let read = rustix::fs::open(c"/proc/thread-self/children", OFlags::CLOEXEC, Mode::empty())
        .and_then(|children| rustix::io::read(children, &mut list[..]));
    let list = list.get(..read.unwrap_or(0)).unwrap_or_default();
    for child in list.split(|byte| *byte == b' ') {
        let number = std::str::from_utf8(child)
            .ok()
            .and_then(|child| child.parse().ok());
        if let Some(child) = number.and_then(Pid::from_raw) {
            let _it_may_lead_none = kill_process_group(child, Signal::TERM);
            let _it_may_have_ended = kill_process(child, Signal::TERM);
        }
    }
    let _nobody_may_read = rustix::io::write(stderr(), WHY);
    // SAFETY: ends the process without exit handlers, which are not for a signal's.
    unsafe { libc::_exit(1) }
}

/// Signals that are waited for while the bridge runs.
fn awaited() -> SigSet {
    [signal::SIGCHLD, signal::SIGTERM, signal::SIGINT, signal::SIGHUP]
        .into_iter()
        .collect()
}

/// Waits for a signal of [`awaited`] and returns it.
pub(crate) fn next_signal() -> Option<signal::Signal> {
    awaited().wait().ok()
}

/// Forks. The child becomes `account` in a process session of its own and runs `then`, which executes the bridge.
/// Of the descriptors it has now, only 0, 1 and 2 survive that. Returns when it has happened, or why it has not.
///
/// From here on the signals of [`awaited`] wait for [`next_signal`].
pub(crate) fn fork_as_user(
    account: &Account,
    privilege: Privilege,
    then: impl FnOnce() -> io::Result<Infallible>,
) -> io::Result<Pid> {
    let (failure, report) = pipe_with(PipeFlags::CLOEXEC)?;
    awaited().thread_block()?;
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    let pid = unsafe { libc::fork() };
    checked(pid.min(0))?;
    let Some(child) = Pid::from_raw(pid) else {
        drop(failure);
        // Nothing may unwind into the parent's frames, of which the child has a copy.
        let failed =
            catch_unwind(AssertUnwindSafe(|| match become_and(account, privilege, then) {
                Err(error) => error,
            }));
        report_failure(report, &failed.map_or_else(|_| "panic".to_owned(), |e| e.to_string()));
        // SAFETY: ends the child without the parent's exit handlers.
        unsafe { libc::_exit(127) }
    };
    drop(report);
    let mut said = String::new();
    fs::File::from(failure)
        .take(1024)
        .read_to_string(&mut said)?;
    if said.is_empty() {
        return Ok(child);
    }
    waitpid(Some(child), WaitOptions::empty())?;
    Err(io::Error::other(said))
}

fn become_and(
    account: &Account,
    privilege: Privilege,
    then: impl FnOnce() -> io::Result<Infallible>,
) -> io::Result<Infallible> {
    close_on_exec_from(3).map_err(|error| during("closing descriptors", error))?;
    setsid()?;
    if privilege == Privilege::Root {
        account
            .become_user_irrevocably()
            .map_err(|error| during("becoming the user", error))?;
        // A change of user may have made the process readable again; exec does so for the bridge.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    set_default(libc::SIGPIPE);
    SigSet::empty().thread_set_mask()?;
    then()
}

/// `error`, with what was being done.
pub(crate) fn during(step: impl Display, error: impl Display) -> io::Error {
    io::Error::other(format!("{step}: {error}"))
}

fn report_failure(report: OwnedFd, text: &str) {
    // Nobody is left to hear of a failure here; the parent then sees a child that ended.
    let _ = fs::File::from(report).write_all(text.as_bytes());
}

/// PAM modules may leave descriptors open; none of them, nor any of ours, reaches the user's programs.
fn close_on_exec_from(first: c_int) -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number| *number >= first) {
            // SAFETY: used for one call; a descriptor that is closed by then is an error, which is harmless.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

fn set_default(signal: c_int) {
    // SAFETY: the default action involves no handler. Signals that cannot be set stay as they are.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn checked(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
