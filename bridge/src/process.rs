//! The only place that starts a program.
//!
//! A program is an argument list, never a line for a shell. It gets the bridge's environment without what was meant
//! for the bridge alone, and a process group of its own. Callers: the `stream` channel, `peer::superuser`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal};

/// Variables that name descriptors which only the bridge has.
const OWN_VARIABLES: [&str; 2] = ["PILOTHOUSE_LOGIN_MESSAGES_FD", "PILOTHOUSE_PASSWORD_FD"];

/// A program that may be started.
#[derive(Debug, Default)]
pub struct Program {
    /// Its name, looked up in `PATH` when it has no slash, and its arguments.
    pub argv: Vec<OsString>,
    /// Variables in addition to the bridge's own; a later one wins.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts; the bridge's own directory without one.
    pub directory: Option<PathBuf>,
    /// Descriptors that it inherits, each with its number there.
    pub descriptors: Vec<(OwnedFd, i32)>,
}

/// Where a program's first three descriptors lead.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub input: Stdio,
    /// Standard output.
    pub output: Stdio,
    /// Standard error.
    pub error: Stdio,
}

/// A running program. Dropping it asks it to end (SIGTERM, on a terminal SIGHUP); what it started is its own business.
#[derive(Debug)]
pub struct Process {
    /// There until it is dropped.
    child: Option<tokio::process::Child>,
    pid: Option<Pid>,
    hang_up: Signal,
}

impl Program {
    /// The program `name` with `arguments`.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Starts the program with `streams`.
    ///
    /// # Errors
    ///
    /// The kernel's: `NotFound` when there is no such program, `PermissionDenied` when it may not be run.
    pub fn spawn(self, streams: Streams) -> io::Result<Process> {
        let (name, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        #[expect(clippy::disallowed_methods, reason = "this is the place that it is allowed in")]
        let mut command = tokio::process::Command::new(name);
        command
            .args(arguments)
            .envs(self.environment)
            .stdin(streams.input)
            .stdout(streams.output)
            .stderr(streams.error)
            .process_group(0);
        for variable in OWN_VARIABLES {
            command.env_remove(variable);
        }
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        if !self.descriptors.is_empty() {
            let mappings = self
                .descriptors
                .into_iter()
                .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
                .collect();
            command.fd_mappings(mappings).map_err(io::Error::other)?;
        }
        Ok(Process::new(command.spawn()?, Signal::TERM))
    }

    /// Starts the program as the leader of the terminal behind `line`.
    ///
    /// # Errors
    ///
    /// As [`Program::spawn`].
    pub fn spawn_on_terminal(self, line: pty_process::Pts) -> io::Result<Process> {
        let (name, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = pty_process::Command::new(name)
            .args(arguments)
            .envs(self.environment);
        for variable in OWN_VARIABLES {
            command = command.env_remove(variable);
        }
        if let Some(directory) = self.directory {
            command = command.current_dir(directory);
        }
        let child = command.spawn(line).map_err(terminal_error)?;
        Ok(Process::new(child, Signal::HUP))
    }
}

/// The kernel's error behind one of the terminal's.
pub fn terminal_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        other @ (pty_process::Error::TokioAsyncFd(_) | pty_process::Error::Unsplit(_, _)) => {
            io::Error::other(other)
        }
    }
}

impl Process {
    fn new(child: tokio::process::Child, hang_up: Signal) -> Self {
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Self { child: Some(child), pid, hang_up }
    }

    /// Its process id; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// The process id that it had at its start, which is also its process group's.
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// The writing end of its standard input, when that is a pipe. Taken once.
    pub fn take_input(&mut self) -> Option<tokio::process::ChildStdin> {
        self.child.as_mut()?.stdin.take()
    }

    /// The reading end of its standard output, when that is a pipe. Taken once.
    pub fn take_output(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    /// The reading end of its standard error, when that is a pipe. Taken once.
    pub fn take_error(&mut self) -> Option<tokio::process::ChildStderr> {
        self.child.as_mut()?.stderr.take()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // As long as `id` is there nobody has waited for the process, so its number cannot be another's.
        let (Some(_), Some(pid)) = (child.id(), self.pid) else { return };
        let _it_may_be_gone = rustix::process::kill_process(pid, self.hang_up);
        // Somebody must wait for it, or it stays a zombie until the runtime happens to look.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { child.wait().await });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_dropped_program_ends_and_leaves_no_zombie() {
        let streams = Streams { input: Stdio::null(), output: Stdio::null(), error: Stdio::null() };
        let process = Program::new(["sleep", "1000"]).spawn(streams).unwrap();
        let entry = PathBuf::from(format!("/proc/{}", process.id().unwrap()));
        assert!(entry.exists());

        drop(process);

        let gone = async {
            while entry.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .unwrap();
    }
}
