//! One login, from the password to the bridge.
//!
//! ```text
//!          Authenticate             Prompt                Authenticated, StartBridge
//!  begin ───────────────▶ helper ───────────▶ Step::Ask ────────▶ … ────────▶ Step::Admitted
//!                           │  ▲                 │ answer
//!                           │  └─────────────────┘
//!                           └──▶ Step::Refused
//! ```
//!
//! PAM may ask several things at once; browsers are asked one by one, and the helper gets the answers together. Callers:
//! [`super::Logins`], the same for the exchange by headers and by forms. A password is only passed on here.

use std::collections::VecDeque;
use std::net::IpAddr;

use protocol::secret::Secret;
use session::messages::{Message, Refusal, Reply, Request, ReusePassword, Style};
use tokio::net::UnixStream;

use super::helper::{Helper, HelperError};
use crate::admission::Application;
use crate::pages::{Echo, PamMessage, PamMessageKind};
use crate::relay::handshake::SuperuserStart;

/// Who wants in, and how.
#[derive(Debug, Clone)]
pub(crate) struct Applicant {
    /// As it was typed.
    pub(crate) user: String,
    pub(crate) source: IpAddr,
    pub(crate) application: Application,
    pub(crate) superuser: SuperuserStart,
}

/// A login whose helper waits for an answer.
#[derive(Debug)]
pub(crate) struct Attempt {
    applicant: Applicant,
    helper: Helper,
    /// What the helper asked and the browser has not been asked yet.
    questions: VecDeque<Prompt>,
    answers: Vec<Secret>,
}

/// One question for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    pub(crate) echo: Echo,
    /// What PAM said before it asked.
    pub(crate) messages: Vec<PamMessage>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The browser must answer; then [`Attempt::answer`].
    Ask(Box<Attempt>, Prompt),
    /// The bridge runs.
    Admitted {
        applicant: Applicant,
        /// The account as PAM left it.
        user: String,
        bridge: UnixStream,
        /// To wait for the bridge's end.
        helper: Helper,
    },
    /// No login.
    Refused { applicant: Applicant, reason: Refusal, messages: Vec<PamMessage> },
    /// The helper failed.
    Failed { applicant: Applicant, error: HelperError },
}

/// Begins a login with a helper that was just started.
pub(crate) async fn begin(
    mut helper: Helper,
    applicant: Applicant,
    password: Secret,
    reuse_password: ReusePassword,
) -> Step {
    let request = Request::Authenticate {
        user: applicant.user.clone(),
        password,
        remote_host: applicant.source.to_string(),
        reuse_password,
    };
    let reply = helper.ask(&request).await;
    drop(request);
    next(helper, applicant, reply).await
}

impl Attempt {
    /// The address it began at.
    pub(crate) fn source(&self) -> IpAddr {
        self.applicant.source
    }

    /// The account that was typed.
    pub(crate) fn user(&self) -> &str {
        &self.applicant.user
    }

    /// Takes the answer to the last [`Step::Ask`].
    pub(crate) async fn answer(mut self, answer: Secret) -> Step {
        self.answers.push(answer);
        if let Some(prompt) = self.questions.pop_front() {
            return Step::Ask(Box::new(self), prompt);
        }
        let Self { applicant, mut helper, answers, .. } = self;
        let request = Request::Answer(answers);
        let reply = helper.ask(&request).await;
        drop(request);
        next(helper, applicant, reply).await
    }
}

async fn next(mut helper: Helper, applicant: Applicant, reply: Result<Reply, HelperError>) -> Step {
    match reply {
        Ok(Reply::Prompt(messages)) => {
            let mut questions = questions(messages);
            let Some(first) = questions.pop_front() else {
                return Step::Failed { applicant, error: HelperError::Unexpected };
            };
            let attempt = Attempt { applicant, helper, questions, answers: Vec::new() };
            Step::Ask(Box::new(attempt), first)
        }
        Ok(Reply::Authenticated { user, messages: _for_the_bridge }) => {
            match helper.start_bridge().await {
                Ok(Ok((pid, bridge))) => {
                    tracing::debug!(user, pid, "bridge started");
                    Step::Admitted { applicant, user, bridge, helper }
                }
                Ok(Err(refused)) => refusal(applicant, refused),
                Err(error) => Step::Failed { applicant, error },
            }
        }
        Ok(reply) => refusal(applicant, reply),
        Err(error) => Step::Failed { applicant, error },
    }
}

fn refusal(applicant: Applicant, reply: Reply) -> Step {
    match reply {
        Reply::Refused { reason, messages } => Step::Refused {
            applicant,
            reason,
            messages: messages.into_iter().map(pam_message).collect(),
        },
        Reply::Prompt(_)
        | Reply::Authenticated { .. }
        | Reply::BridgeStarted { .. }
        | Reply::Ended { .. } => Step::Failed { applicant, error: HelperError::Unexpected },
    }
}

/// One prompt for each message that asks, with the texts that stand before it; texts behind the last one go with it.
fn questions(messages: Vec<Message>) -> VecDeque<Prompt> {
    let mut questions: VecDeque<Prompt> = VecDeque::new();
    let mut told = Vec::new();
    for message in messages {
        let echo = match message.style {
            Style::Secret => Echo::Hidden,
            Style::Visible => Echo::Shown,
            Style::Info | Style::Error => {
                told.push(pam_message(message));
                continue;
            }
        };
        let messages = std::mem::take(&mut told);
        questions.push_back(Prompt { text: message.text, echo, messages });
    }
    if let Some(last) = questions.back_mut() {
        last.messages.append(&mut told);
    }
    questions
}

fn pam_message(message: Message) -> PamMessage {
    let kind = match message.style {
        Style::Error => PamMessageKind::Error,
        Style::Info | Style::Secret | Style::Visible => PamMessageKind::Info,
    };
    PamMessage { kind, text: message.text }
}

#[test]
fn a_batch_becomes_one_prompt_for_each_question() {
    let message = |style, text: &str| Message { style, text: text.to_owned() };
    let prompts = questions(vec![
        message(Style::Error, "expired"),
        message(Style::Secret, "New"),
        message(Style::Visible, "Colour"),
        message(Style::Info, "bye"),
    ]);

    let told = |kind, text: &str| vec![PamMessage { kind, text: text.to_owned() }];
    assert_eq!(
        prompts,
        [
            Prompt {
                text: "New".to_owned(),
                echo: Echo::Hidden,
                messages: told(PamMessageKind::Error, "expired")
            },
            Prompt {
                text: "Colour".to_owned(),
                echo: Echo::Shown,
                messages: told(PamMessageKind::Info, "bye")
            },
        ]
    );
}
