//! The user's ssh-agent: the one of the session, by `SSH_AUTH_SOCK`, or one that is started when a key is to be kept.
//!
//! It signs; its keys never come back here. One that we started ends with this process, and its keys with it. Each use is bound to the machine that is being logged in to (`session-bind`), so that
//! an agent with destination constraints can keep to them (security rule T29). It is never forwarded.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bridge::process::{Process, Program, Streams};
use russh::keys::PrivateKey;
use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use tokio::net::UnixStream;
use tokio::process::ChildStdin;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// For the agent to answer what asks nobody.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a started agent is waited for, and in which steps.
const START_STEP: Duration = Duration::from_millis(20);
const START_STEPS: usize = 100;

/// The agents that count for this session.
#[derive(Debug, Default)]
pub(super) struct Agents {
    started: Mutex<Option<Started>>,
}

/// An agent of ours. ssh-agent(1) ends with the command that it runs, and that ends when its input does: with us, however we
/// end.
#[derive(Debug)]
struct Started {
    socket: PathBuf,
    _process: Process,
    _input: Option<ChildStdin>,
}

impl Agents {
    /// The agent of the session; `None` when there is none, or it does not answer.
    pub(super) async fn connect(&self) -> Option<Agent> {
        let started = self
            .started
            .lock()
            .await
            .as_ref()
            .map(|one| one.socket.clone());
        let connecting = async {
            match started {
                Some(socket) => AgentClient::connect_uds(socket).await,
                None => AgentClient::connect_env().await,
            }
        };
        timeout(ANSWER_TIME, connecting).await.ok()?.ok().map(Agent)
    }

    /// Gives the agent a key to keep until logout; one is started if there is none. Says whether it has it.
    pub(super) async fn keep(&self, key: &PrivateKey) -> bool {
        let agent = match self.connect().await {
            Some(agent) => Some(agent),
            None => self.start().await,
        };
        let Some(mut agent) = agent else { return false };
        matches!(timeout(ANSWER_TIME, agent.0.add_identity(key, &[])).await, Ok(Ok(())))
    }

    async fn start(&self) -> Option<Agent> {
        let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
        let socket = folder.join(format!("pilothouse-agent.{}", std::process::id()));
        let program = Program::new([
            "ssh-agent".into(),
            "-a".into(),
            socket.clone().into_os_string(),
            "cat".into(),
        ]);
        let streams =
            Streams { input: Stdio::piped(), output: Stdio::null(), error: Stdio::null() };
        let mut process = program.spawn(streams).ok()?;
        let input = process.take_input();
        *self.started.lock().await = Some(Started { socket, _process: process, _input: input });
        for _ in 0..START_STEPS {
            if let Some(agent) = self.connect().await {
                return Some(agent);
            }
            tokio::time::sleep(START_STEP).await;
        }
        *self.started.lock().await = None;
        None
    }
}

/// A connection to the agent.
pub(super) struct Agent(AgentClient<UnixStream>);

impl Agent {
    /// Its keys and certificates. Those that are bound to other machines are not among them.
    pub(super) async fn identities(
        &mut self,
        binding: Option<&AgentSessionBinding>,
    ) -> Vec<AgentIdentity> {
        if let Some(binding) = binding {
            let _older_agents_know_no_binding =
                timeout(ANSWER_TIME, self.0.bind_session(binding, false)).await;
        }
        match timeout(ANSWER_TIME, self.0.request_identities()).await {
            Ok(Ok(identities)) => identities,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }

    /// Who signs.
    pub(super) fn signer(&mut self) -> &mut AgentClient<UnixStream> {
        &mut self.0
    }
}
