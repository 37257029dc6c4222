//! The enclosure: namespaces in which all processes, mounts and networks of one lab live.
//!
//! A process tree of its own (`unshare --pid --mount --net`) whose first process does nothing but wait for the
//! end of its input. That is a pipe which only the owner holds: when the owner ends, for whatever reason, the
//! first process ends, the kernel kills every process of the tree, and the mounts and networks go with the last
//! of them. So no machine outlives the test that started it. Source: `pid_namespaces(7)`, `unshare(1)`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal};

use crate::error::{Doing as _, Error, Result};
use crate::process::{Identity, children};
use crate::program::Program;

/// The running enclosure; dropped, everything in it ends.
#[derive(Debug)]
pub(crate) struct Enclosure {
    unshare: Child,
    first: Identity,
}

impl Enclosure {
    /// Starts the first process.
    pub(crate) fn open() -> Result<Self> {
        let mut unshare = Program::new("unshare")
            .args(["--pid", "--mount", "--net", "--uts", "--ipc", "--fork", "--kill-child"])
            .args(["--mount-proc", "--propagation", "private"])
            .args(["sh", "-c", "echo ready; exec cat"])
            .start_piped()?;
        let mut line = String::new();
        if let Some(output) = unshare.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .doing("read from", Path::new("unshare"))?;
        }
        let first = pid_of(&unshare).and_then(|pid| children(pid).first().copied());
        match first.and_then(Identity::of) {
            Some(first) if line == "ready\n" => Ok(Self { unshare, first }),
            Some(_) | None => Err(Error::Refused(
                "cannot make namespaces: unshare --pid --mount --net was refused".into(),
            )),
        }
    }

    /// Its first process, as the host numbers it.
    pub(crate) fn first_process(&self) -> Identity {
        self.first
    }

    /// A program that is going to run inside; add its name and arguments.
    pub(crate) fn program(&self) -> Program {
        inside(self.first.pid())
    }

    /// As [`Self::program`], but with the host's network.
    pub(crate) fn program_in_host_network(&self) -> Program {
        let target = format!("--target={}", self.first.pid().as_raw_nonzero());
        Program::new("nsenter")
            .arg(target)
            .args(["--pid", "--mount", "--"])
    }

    /// Runs a shell script inside, to its end; it stops at the first command that fails.
    pub(crate) fn script(&self, script: &str) -> Result<String> {
        self.program()
            .args(["sh", "-e", "-s"])
            .input(script)
            .output()
    }

    /// A path inside, as the host can open it.
    pub(crate) fn path(&self, inside: &Path) -> PathBuf {
        path_inside(self.first.pid(), inside)
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        // The end of its input ends the first process; the kernel then ends all others.
        drop(self.unshare.stdin.take());
        drop(self.unshare.wait());
    }
}

/// A helper that runs in an enclosure beside the machines; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Attendant {
    nsenter: Child,
}

impl Attendant {
    /// Starts it and waits until it writes its first byte, by which it says that it is ready.
    pub(crate) fn start_and_wait_for_output(program: Program) -> Result<Self> {
        let mut attendant = Self { nsenter: program.start_piped()? };
        let mut byte = [0];
        let output = attendant.nsenter.stdout.as_mut();
        let read = output.map_or(Ok(0), |output| output.read(&mut byte));
        if read.doing("read from", Path::new("a helper"))? == 0 {
            return Err(Error::Refused("a helper of the lab ended at once".into()));
        }
        Ok(attendant)
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        // nsenter waits outside the process namespace for its child inside.
        let inside = pid_of(&self.nsenter).map(children).unwrap_or_default();
        inside
            .into_iter()
            .filter_map(Identity::of)
            .for_each(|it| it.signal(Signal::KILL));
        drop(self.nsenter.wait());
    }
}

/// A program that is going to run in the enclosure whose first process is `first`.
pub(crate) fn inside(first: Pid) -> Program {
    Program::new("nsenter")
        .arg(format!("--target={}", first.as_raw_nonzero()))
        .args(["--pid", "--mount", "--net", "--uts", "--ipc", "--"])
}

/// A path in the enclosure whose first process is `first`, as the host can open it.
pub(crate) fn path_inside(first: Pid, inside: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", first.as_raw_nonzero()));
    root.join(inside.strip_prefix("/").unwrap_or(inside))
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
