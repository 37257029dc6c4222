//! Proving to a machine who the user is.
//!
//! Takes a [`VerifiedHost`] by value: nothing that could be a secret is sent to a machine that is not believed (T23). What
//! needs nobody is tried first: the agent's keys, open key files, a password that is known; then a person is asked. What the
//! machine says is shown as its words. A machine has [`MACHINE_TIME`] for all its own steps; what a person takes does not
//! count. Called by `reach`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bridge::peer::remote::dialogue::{
    Answer, Ask, Dialogue, Keep, Progress, Prompt, Unanswered, Warning,
};
use protocol::secret::Secret;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::time::{Instant, timeout};

use super::agent::Agents;
use super::client::{Client, Seen};
use super::failure::{Denied, Failure, Fate, Method, Results, Wanted};
use super::identities::{KeyFile, Lock};
use super::secrets::Secrets;
use super::text::cleaned;
use crate::host_key::VerifiedHost;

/// For all that the machine does itself (T27).
const MACHINE_TIME: Duration = Duration::from_mins(1);

/// Most keys that are offered: OpenSSH's server ends a connection after six refusals, and a password must still fit.
const MOST_KEYS: usize = 4;

/// Most keys that are offered where nothing else is taken.
const MOST_KEYS_ALONE: usize = 16;

/// How often a person may answer the same question.
const TRIES: usize = 3;

/// Most prompts in one message of a machine (T31).
const MOST_PROMPTS: usize = 5;

/// Most messages with prompts in one try: a machine that asks for ever is not answered for ever.
const MOST_ROUNDS: usize = 16;

/// Who logs in where, and with what.
pub(super) struct Login<'a> {
    /// The host as it was typed.
    pub(super) host: String,
    /// The user there.
    pub(super) user: String,
    /// The user's agent.
    pub(super) agents: &'a Agents,
    /// The user's key files.
    pub(super) keys: &'a [KeyFile],
    /// Passwords that are known.
    pub(super) secrets: Secrets,
    /// Who is asked.
    pub(super) dialogue: &'a Dialogue,
    /// What is seen of the connection.
    pub(super) seen: &'a Seen,
}

/// The steps, in this order. Each runs when the machine takes its method and it has not run since the last success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AgentKeys,
    OpenKeys,
    KnownPassword,
    KnownAnswer,
    LockedKeys,
    Questions,
    AskedPassword,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::AgentKeys,
        Self::OpenKeys,
        Self::KnownPassword,
        Self::KnownAnswer,
        Self::LockedKeys,
        Self::Questions,
        Self::AskedPassword,
    ];

    fn method(self) -> Method {
        match self {
            Self::AgentKeys | Self::OpenKeys | Self::LockedKeys => Method::PublicKey,
            Self::KnownPassword | Self::AskedPassword => Method::Password,
            Self::KnownAnswer | Self::Questions => Method::KeyboardInteractive,
        }
    }
}

/// What a step came to.
enum Outcome {
    In,
    /// One of several was enough; these are taken next.
    Partly(MethodSet),
    Denied,
    /// There was nothing to try, or nobody answered.
    Nothing,
}

/// Why there are no more steps.
enum Stop {
    Cut,
    Late,
    Broke(String),
}

impl From<russh::Error> for Stop {
    fn from(error: russh::Error) -> Self {
        use russh::Error;
        if matches!(error, Error::SendError | Error::RecvError | Error::Disconnect) {
            return Self::Cut;
        }
        Self::Broke(cleaned(&error.to_string()))
    }
}

/// Logs in, or says what became of each method.
pub(super) async fn authenticate(
    handle: &mut Handle<Client>,
    verified: VerifiedHost,
    login: Login<'_>,
) -> Result<(), Failure> {
    tracing::debug!(host = %verified.host(), user = login.user, "authenticating");
    login.dialogue.progress(Progress::Authenticating);
    let mut attempt = Attempt {
        handle,
        login,
        results: Results::default(),
        left: MACHINE_TIME,
        offered: 0,
        locked: None,
        wanted: Wanted::Nothing,
    };
    match attempt.run().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(attempt.denied(None)),
        Err(Stop::Cut) => {
            let cut = attempt.login.seen.cut();
            Err(attempt.denied(Some(cut.unwrap_or_else(|| "without a word".to_owned()))))
        }
        Err(Stop::Late) => Err(Failure::TimedOut {
            host: attempt.login.host,
            stage: "answer while logging in",
            limit: MACHINE_TIME,
        }),
        Err(Stop::Broke(why)) => Err(Failure::Protocol { host: attempt.login.host, why }),
    }
}

struct Attempt<'a, 'b> {
    handle: &'a mut Handle<Client>,
    login: Login<'b>,
    results: Results,
    /// What is left of the machine's time.
    left: Duration,
    /// Keys that were offered.
    offered: usize,
    locked: Option<String>,
    wanted: Wanted,
}

impl Attempt<'_, '_> {
    async fn run(&mut self) -> Result<bool, Stop> {
        let user = self.login.user.clone();
        let mut taken = match self
            .limited(|handle| handle.authenticate_none(user))
            .await?
        {
            AuthResult::Success => return Ok(true),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        self.still_there()?;
        for method in Method::ALL {
            if !takes(&taken, method) {
                self.results.note(method, Fate::NoServerSupport);
            }
        }
        let mut done: Vec<Step> = Vec::new();
        loop {
            let is_next = |step: &Step| takes(&taken, step.method()) && !done.contains(step);
            let Some(step) = Step::ALL.into_iter().find(is_next) else { return Ok(false) };
            done.push(step);
            let alone = [Method::Password, Method::KeyboardInteractive]
                .iter()
                .all(|&other| !takes(&taken, other));
            let outcome = self
                .step(step, if alone { MOST_KEYS_ALONE } else { MOST_KEYS })
                .await?;
            self.still_there()?;
            match outcome {
                Outcome::In => {
                    self.results.note(step.method(), Fate::Succeeded);
                    return Ok(true);
                }
                Outcome::Partly(next) => {
                    self.results.note(step.method(), Fate::Partial);
                    taken = next;
                    done.retain(|earlier| earlier.method() == step.method());
                }
                Outcome::Denied => self.results.note(step.method(), Fate::Denied),
                Outcome::Nothing => {}
            }
        }
    }

    async fn step(&mut self, step: Step, most_keys: usize) -> Result<Outcome, Stop> {
        match step {
            Step::AgentKeys => self.agent_keys(most_keys).await,
            Step::OpenKeys => self.open_keys(most_keys).await,
            Step::KnownPassword => self.known_password().await,
            Step::KnownAnswer if self.login.secrets.is_empty() => Ok(Outcome::Nothing),
            Step::KnownAnswer => self.questions(Asking::Nobody).await,
            Step::LockedKeys => self.locked_keys(most_keys).await,
            Step::Questions if !self.login.dialogue.is_heard() => {
                self.wanted = Wanted::Answers;
                Ok(Outcome::Nothing)
            }
            Step::Questions => self.questions(Asking::Person).await,
            Step::AskedPassword => self.asked_password().await,
        }
    }

    async fn agent_keys(&mut self, most: usize) -> Result<Outcome, Stop> {
        let Some(mut agent) = self.login.agents.connect().await else {
            return Ok(Outcome::Nothing);
        };
        let mut best = Outcome::Nothing;
        for identity in agent.identities(self.handle.agent_session_binding()).await {
            if self.offered >= most {
                break;
            }
            self.offered += 1;
            let user = self.login.user.clone();
            let Some(hash) = self
                .signature_hash(&identity.public_key().algorithm())
                .await?
            else {
                continue;
            };
            let handle = &mut *self.handle;
            let signing = async {
                match identity {
                    AgentIdentity::PublicKey { key, .. } => {
                        handle
                            .authenticate_publickey_with(user, key, hash, agent.signer())
                            .await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        handle
                            .authenticate_certificate_with(user, certificate, hash, agent.signer())
                            .await
                    }
                }
            };
            // A person may have to touch something for the agent; the machine gets no more time by that.
            let tried = timeout(MACHINE_TIME, signing)
                .await
                .map_err(|_| Stop::Late)?;
            match tried {
                Ok(result) => match outcome(result) {
                    Outcome::Denied => best = Outcome::Denied,
                    better @ (Outcome::In | Outcome::Partly(_) | Outcome::Nothing) => {
                        return Ok(better);
                    }
                },
                // The agent does not sign with this one; the connection goes on.
                Err(why) => tracing::debug!(%why, "the agent did not sign"),
            }
            self.still_there()?;
        }
        Ok(best)
    }

    async fn open_keys(&mut self, most: usize) -> Result<Outcome, Stop> {
        let mut best = Outcome::Nothing;
        for file in self.login.keys {
            let Some(key) = file.plain() else { continue };
            if self.offered >= most {
                break;
            }
            match self.with_key(file, key).await? {
                Outcome::Denied => best = Outcome::Denied,
                Outcome::Nothing => {}
                better @ (Outcome::In | Outcome::Partly(_)) => return Ok(better),
            }
        }
        Ok(best)
    }

    /// Offers a key with its certificate, then without.
    async fn with_key(&mut self, file: &KeyFile, key: Arc<PrivateKey>) -> Result<Outcome, Stop> {
        let user = self.login.user.clone();
        if let Some(certificate) = file.certificate.clone() {
            self.offered += 1;
            let (user, key) = (user.clone(), Arc::clone(&key));
            let trying =
                self.limited(|handle| handle.authenticate_openssh_cert(user, key, certificate));
            match outcome(trying.await?) {
                Outcome::Denied | Outcome::Nothing => self.still_there()?,
                better @ (Outcome::In | Outcome::Partly(_)) => return Ok(better),
            }
        }
        let Some(hash) = self.signature_hash(&key.algorithm()).await? else {
            return Ok(Outcome::Nothing);
        };
        self.offered += 1;
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = self
            .limited(|handle| handle.authenticate_publickey(user, key))
            .await?;
        self.still_there()?;
        Ok(outcome(result))
    }

    /// Asks for the passphrase of each locked key that the machine would take.
    async fn locked_keys(&mut self, most: usize) -> Result<Outcome, Stop> {
        let mut best = Outcome::Nothing;
        for file in self
            .login
            .keys
            .iter()
            .filter(|file| file.lock() == Lock::Locked)
        {
            if self.offered >= most {
                break;
            }
            let path = file.path.display().to_string();
            let mut error = String::new();
            for _ in 0..TRIES {
                let ask = Ask::Passphrase { path: path.clone(), error: error.clone() };
                let (passphrase, keep) = match self.login.dialogue.ask(ask).await {
                    Ok(Answer::Passphrase { passphrase, keep }) => (passphrase, keep),
                    Ok(Answer::Responses(_) | Answer::HostKey { .. })
                    | Err(Unanswered::GivenUp) => break,
                    Err(Unanswered::NobodyThere) => {
                        self.wanted = Wanted::Answers;
                        break;
                    }
                };
                if let Some(key) = file.unlocked(&passphrase) {
                    if keep == Keep::InAgent && !self.login.agents.keep(&key).await {
                        let text = format!("{path} is not kept: there is no ssh-agent");
                        self.login.dialogue.warn(Warning { host: None, text });
                    }
                    match self.with_key(file, key).await? {
                        Outcome::Denied => best = Outcome::Denied,
                        Outcome::Nothing => {}
                        better @ (Outcome::In | Outcome::Partly(_)) => return Ok(better),
                    }
                    error.clear();
                    break;
                }
                "That is not its passphrase.".clone_into(&mut error);
            }
            if matches!(best, Outcome::Nothing) {
                self.locked = Some(path);
            }
        }
        Ok(best)
    }

    async fn known_password(&mut self) -> Result<Outcome, Stop> {
        let mut best = Outcome::Nothing;
        while let Some(password) = self.login.secrets.next() {
            best = self.with_password(&password).await?;
            if !matches!(best, Outcome::Denied) {
                break;
            }
            self.still_there()?;
        }
        Ok(best)
    }

    async fn asked_password(&mut self) -> Result<Outcome, Stop> {
        let mut error = String::new();
        let mut best = Outcome::Nothing;
        for _ in 0..TRIES {
            let ask = Ask::Password {
                host: self.login.host.clone(),
                user: self.login.user.clone(),
                error: error.clone(),
            };
            let Some(password) = self.ask_for_one(ask).await else { break };
            match self.with_password(&password).await? {
                Outcome::Denied => best = Outcome::Denied,
                better @ (Outcome::In | Outcome::Partly(_) | Outcome::Nothing) => {
                    return Ok(better);
                }
            }
            self.still_there()?;
            "That was not accepted.".clone_into(&mut error);
        }
        Ok(best)
    }

    async fn with_password(&mut self, password: &Secret) -> Result<Outcome, Stop> {
        let Ok(text) = std::str::from_utf8(password.expose()) else { return Ok(Outcome::Nothing) };
        // The library wipes its copy.
        let (user, text) = (self.login.user.clone(), text.to_owned());
        let result = self
            .limited(|handle| handle.authenticate_password(user, text))
            .await?;
        Ok(outcome(result))
    }

    /// The machine's own questions.
    async fn questions(&mut self, asking: Asking) -> Result<Outcome, Stop> {
        let mut error = String::new();
        let mut best = Outcome::Nothing;
        for _ in 0..TRIES {
            let mut answered = Answered::Nothing;
            let user = self.login.user.clone();
            let starting =
                self.limited(|handle| handle.authenticate_keyboard_interactive_start(user, None));
            let mut response = starting.await?;
            for _ in 0..MOST_ROUNDS {
                let (name, instructions, prompts) = match response {
                    KeyboardInteractiveAuthResponse::Success => return Ok(Outcome::In),
                    KeyboardInteractiveAuthResponse::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        if partial_success {
                            return Ok(Outcome::Partly(remaining_methods));
                        }
                        best = Outcome::Denied;
                        break;
                    }
                    KeyboardInteractiveAuthResponse::InfoRequest {
                        name,
                        instructions,
                        prompts,
                    } => (name, instructions, prompts),
                };
                if prompts.len() > MOST_PROMPTS {
                    return Err(Stop::Broke(format!(
                        "it asks {} questions at once",
                        prompts.len()
                    )));
                }
                let answers = self
                    .answers(asking, &mut answered, &name, &instructions, prompts, &error)
                    .await;
                let responding = self
                    .limited(|handle| handle.authenticate_keyboard_interactive_respond(answers));
                response = responding.await?;
            }
            self.still_there()?;
            if asking == Asking::Nobody && self.login.secrets.is_empty()
                || answered == Answered::GaveUp
            {
                break;
            }
            "That was not accepted.".clone_into(&mut error);
        }
        Ok(best)
    }

    /// One answer for each prompt. Empty ones, which the machine refuses, when nobody answers.
    async fn answers(
        &mut self,
        asking: Asking,
        answered: &mut Answered,
        name: &str,
        instructions: &str,
        prompts: Vec<russh::client::Prompt>,
        error: &str,
    ) -> Vec<String> {
        let none = vec![String::new(); prompts.len()];
        if prompts.is_empty() {
            if !instructions.trim().is_empty() {
                let host = Some(self.login.host.clone());
                self.login
                    .dialogue
                    .warn(Warning { host, text: cleaned(instructions) });
            }
            return none;
        }
        if *answered == Answered::GaveUp {
            return none;
        }
        let only_a_password = matches!(prompts.as_slice(), [only] if !only.echo);
        if only_a_password && let Some(known) = self.login.secrets.next() {
            return vec![String::from_utf8_lossy(known.expose()).into_owned()];
        }
        if asking == Asking::Nobody && !self.login.dialogue.is_heard() {
            self.wanted = Wanted::Answers;
            *answered = Answered::GaveUp;
            return none;
        }
        let message = [name, instructions]
            .map(cleaned)
            .join("\n")
            .trim()
            .to_owned();
        let prompts: Vec<Prompt> = prompts
            .into_iter()
            .map(|one| Prompt { prompt: cleaned(&one.prompt), echo: one.echo })
            .collect();
        let wanted = prompts.len();
        let ask = Ask::KeyboardInteractive {
            host: self.login.host.clone(),
            user: self.login.user.clone(),
            message,
            prompts,
            error: error.to_owned(),
        };
        match self.login.dialogue.ask(ask).await {
            Ok(Answer::Responses(responses)) if responses.len() == wanted => responses
                .iter()
                .map(|one| String::from_utf8_lossy(one.expose()).into_owned())
                .collect(),
            Ok(Answer::Responses(_) | Answer::HostKey { .. } | Answer::Passphrase { .. })
            | Err(Unanswered::NobodyThere | Unanswered::GivenUp) => {
                *answered = Answered::GaveUp;
                none
            }
        }
    }

    async fn ask_for_one(&mut self, ask: Ask) -> Option<Secret> {
        match self.login.dialogue.ask(ask).await {
            Ok(Answer::Responses(mut responses)) if responses.len() == 1 => {
                responses.pop().filter(|one| !one.is_empty())
            }
            Ok(Answer::Responses(_) | Answer::HostKey { .. } | Answer::Passphrase { .. })
            | Err(Unanswered::GivenUp) => None,
            Err(Unanswered::NobodyThere) => {
                self.wanted = Wanted::Answers;
                None
            }
        }
    }

    /// How a key of this type signs; `None` when the machine takes only what is not used any more.
    async fn signature_hash(
        &mut self,
        algorithm: &Algorithm,
    ) -> Result<Option<Option<HashAlg>>, Stop> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        let best = self
            .limited(|handle| handle.best_supported_rsa_hash())
            .await?;
        Ok(match best {
            Some(Some(hash)) => Some(Some(hash)),
            Some(None) => None,
            // It does not say: what RFC 8332 asks every server for.
            None => Some(Some(HashAlg::Sha256)),
        })
    }

    /// Waits for the machine, within what is left of its time.
    async fn limited<'h, T, E, F>(
        &'h mut self,
        act: impl FnOnce(&'h mut Handle<Client>) -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, E>> + 'h,
        Stop: From<E>,
    {
        let begun = Instant::now();
        let left = self.left;
        let waited = timeout(left, act(self.handle)).await;
        self.left = left.saturating_sub(begun.elapsed());
        Ok(waited.map_err(|_| Stop::Late)??)
    }

    /// A connection that broke reads as a refusal in the library.
    fn still_there(&self) -> Result<(), Stop> {
        if self.handle.is_closed() { Err(Stop::Cut) } else { Ok(()) }
    }

    fn denied(&mut self, cut: Option<String>) -> Failure {
        Failure::Denied(Box::new(Denied {
            host: self.login.host.clone(),
            user: self.login.user.clone(),
            results: self.results.clone(),
            locked: self.locked.take(),
            wanted_answers: self.wanted,
            cut,
        }))
    }
}

/// Who answers the machine's own questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Only what is known.
    Nobody,
    Person,
}

/// Whether somebody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Nothing,
    GaveUp,
}

fn outcome(result: AuthResult) -> Outcome {
    match result {
        AuthResult::Success => Outcome::In,
        AuthResult::Failure { remaining_methods, partial_success: true } => {
            Outcome::Partly(remaining_methods)
        }
        AuthResult::Failure { partial_success: false, .. } => Outcome::Denied,
    }
}

fn takes(methods: &MethodSet, method: Method) -> bool {
    let kind = match method {
        Method::PublicKey => MethodKind::PublicKey,
        Method::KeyboardInteractive => MethodKind::KeyboardInteractive,
        Method::Password => MethodKind::Password,
        Method::Gssapi => MethodKind::GssapiWithMic,
    };
    methods.contains(&kind)
}
