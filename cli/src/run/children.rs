//! The processes that `run` starts and ends.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use server::config::Flag;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::identity::Identity;

/// The link to this very program: it works also for a user who may not search the directory it lies in.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// All processes that were started and have not ended.
#[derive(Debug)]
pub(crate) struct Children {
    identity: Identity,
    service: &'static str,
    flags: Vec<Flag>,
    config_file: Option<String>,
    server: Option<Child>,
    sessions: JoinSet<()>,
    /// Process ids of the session helpers; one is taken out before it is waited for.
    session_pids: Arc<Mutex<Vec<Pid>>>,
}

impl Children {
    /// Nothing is started yet.
    pub(crate) fn new(
        identity: Identity,
        service: &'static str,
        flags: Vec<Flag>,
        config_file: Option<String>,
    ) -> Self {
        Self {
            identity,
            service,
            flags,
            config_file,
            server: None,
            sessions: JoinSet::new(),
            session_pids: Arc::default(),
        }
    }

    /// As whom they run.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The PAM service of logins.
    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// Starts `serve` with the socket to listen on as its standard input.
    pub(crate) fn start_server(
        &mut self,
        listener: &TcpListener,
        notify: &Path,
    ) -> anyhow::Result<()> {
        let socket: OwnedFd = listener.try_clone()?.into();
        let mut command = program("serve");
        command
            .arg("--socket-on-stdin")
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::from(socket));
        for flag in &self.flags {
            command.args(
                flag.values
                    .iter()
                    .map(|value| format!("--{}={value}", flag.name)),
            );
        }
        if let Some(file) = &self.config_file {
            command.arg(format!("--config={file}"));
        }
        if let Identity::Root { uid, gid, .. } = &self.identity {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        self.server = Some(command.spawn().context("cannot start serve")?);
        Ok(())
    }

    /// Starts the helper of one login, with the connection to `serve` as its standard input.
    pub(crate) fn start_session(&mut self, connection: UnixStream) -> anyhow::Result<()> {
        connection.set_nonblocking(false)?;
        let mut command = program("session");
        command
            .arg(format!("--pam-service={}", self.service))
            .arg(format!("--server-uid={}", self.identity.server_uid().as_raw()))
            .stdin(Stdio::from(OwnedFd::from(connection)));
        let mut child = command.spawn().context("cannot start a session helper")?;
        // The command holds the connection too: the server must see its end when the helper ends.
        drop(command);
        let pids = Arc::clone(&self.session_pids);
        let pid = pid_of(&child);
        pids.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(pid);
        while self.sessions.try_join_next().is_some() {}
        self.sessions.spawn(async move {
            let _its_own_messages_tell = child.wait().await;
            pids.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|&other| Some(other) != pid);
        });
        Ok(())
    }

    /// Waits until `serve` has ended.
    pub(crate) async fn server_ended(&mut self) -> ExitStatus {
        match &mut self.server {
            Some(server) => match server.wait().await {
                Ok(status) => status,
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Ends `serve`; with their link the bridges end, and with these the session helpers. At `deadline` all are killed.
    pub(crate) async fn stop(mut self, deadline: Instant) {
        if let Some(mut server) = self.server.take() {
            signal(pid_of(&server), Signal::TERM);
            if tokio::time::timeout_at(deadline, server.wait())
                .await
                .is_err()
            {
                signal(pid_of(&server), Signal::KILL);
            }
        }
        let sessions = async { while self.sessions.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, sessions).await.is_err() {
            let pids = self
                .session_pids
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            for pid in pids {
                signal(Some(pid), Signal::KILL);
            }
        }
    }
}

/// This program in the role of `subcommand`, in a process group of its own: Ctrl-C is for us alone.
fn program(subcommand: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the supervisor")]
    let mut command = std::process::Command::new(THIS_PROGRAM);
    command.arg0("pilothouse").arg(subcommand).process_group(0);
    command.into()
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id()?.cast_signed())
}

fn signal(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        let _it_may_be_gone = rustix::process::kill_process(pid, signal);
    }
}
