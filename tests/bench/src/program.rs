//! The only place here that starts programs.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// A program with its arguments, not yet started.
pub(crate) fn program<S: AsRef<OsStr>>(
    name: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a bench starts what it measures")]
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// A process that is ended with its owner.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it without input and output.
    pub(crate) fn silently(mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(
            command
                .spawn()
                .with_context(|| format!("start {command:?}"))?,
        ))
    }

    /// Starts it as it is.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        Ok(Self(
            command
                .spawn()
                .with_context(|| format!("start {command:?}"))?,
        ))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(id) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _it_may_have_ended =
                rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _it_has_ended = self.0.wait();
    }
}

/// Runs a program to its end.
pub(crate) fn finish(name: &str, arguments: &[&str]) -> Result<()> {
    let mut command = program(name, arguments);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("start {name}"))?;
    anyhow::ensure!(status.success(), "{name} {arguments:?}: {status}");
    Ok(())
}
