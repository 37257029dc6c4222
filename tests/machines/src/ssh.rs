//! Logging in to a machine with OpenSSH's own client, from the host.
//!
//! For tests that need a real login session, and for checking the machines themselves. Answers to the questions
//! of sshd go through a file that only root reads, by `SSH_ASKPASS` (ssh(1)), never by an argument.

use std::fs;

use crate::error::{Doing as _, Result};
use crate::program::{Finished, Program};
use crate::running::Running;

/// Gives the first line of the file, and takes it out.
const ASKPASS: &str = "#!/bin/sh
head -n 1 \"$LAB_ANSWERS\"
sed -i 1d \"$LAB_ANSWERS\"
";

impl Running {
    /// Logs in as `user` and runs `command` there; each question takes the next of `answers`.
    ///
    /// # Errors
    ///
    /// If ssh cannot be started. A refused login is exit code 255 with ssh's words in `stderr`.
    pub fn ssh(&self, user: &str, answers: &[&str], command: &str) -> Result<Finished> {
        self.ssh_with(&[], user, answers, command)
    }

    /// As [`Self::ssh`], with options for ssh: `&["-p", "2222"]`.
    ///
    /// # Errors
    ///
    /// As [`Self::ssh`].
    pub fn ssh_with(
        &self,
        options: &[&str],
        user: &str,
        answers: &[&str],
        command: &str,
    ) -> Result<Finished> {
        let directory = tempfile::tempdir_in(&self.directory).doing("make", &self.directory)?;
        let (asks, gives) = (directory.path().join("askpass"), directory.path().join("answers"));
        fs::write(&gives, answers.join("\n") + "\n").doing("write", &gives)?;
        fs::write(&asks, ASKPASS).doing("write", &asks)?;
        make_executable(&asks)?;
        let known = self.directory.join("known_hosts");
        Program::new("setsid")
            .args(["--wait", "ssh", "-F", "none", "-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"])
            .args(["-o", "ConnectTimeout=10"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .args(options)
            .arg(format!("{user}@{}", self.address))
            .arg(command)
            .env("SSH_ASKPASS", &asks)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("LAB_ANSWERS", &gives)
            .finish()
    }
}

fn make_executable(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).doing("set", path)
}
