//! Login and logout, by headers for pages with scripts and by forms for those without.
//!
//! Both exchanges ([`by_header`], [`by_form`]) do the same: [`attempt`] talks to one root helper, [`conversation`] keeps
//! it while the browser is asked, [`throttle`] and [`slots`] stand before it, [`failure`] says why there is no login.
//! The server decides nothing about who may log in; it keeps no password and tells nobody which names exist (T17).
//! Callers: `routes`. Text: docs/protocol.md, "HTTP surface".

mod attempt;
mod authorization;
mod by_form;
mod by_header;
mod conversation;
mod failure;
mod form;
mod helper;
mod logout;
mod slots;
#[cfg(test)]
mod tests;
mod throttle;

use std::fmt::Display;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit::{Entry, Event, Field};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use protocol::problem::Problem;
use protocol::secret::Secret;
use session::messages::{Refusal, ReusePassword};

use crate::Server;
use crate::admission::Source;
use crate::audit_log::Refusals;
use crate::config::{Config, LoginLimits};
use crate::pages::{PamMessage, PamMessageKind};
use crate::relay::handshake::GreetError;
use crate::sessions::{Admitted, BeginError, Boottime, CookieValue, End, Session};
use attempt::{Applicant, Prompt, Step};
use authorization::Authorization;
pub(crate) use by_form::post;
pub(crate) use by_header::get;
use conversation::{ConversationId, Conversations, ParkError};
use failure::Failure;
use form::Form;
use helper::{Helper, HelperError};
pub(crate) use logout::logout;
use slots::{Busy, Slot, Slots};
use throttle::{Account, Throttle, Verdict};

/// Logins under way.
#[derive(Debug)]
pub(crate) struct Logins {
    throttle: Mutex<Throttle>,
    slots: Arc<Slots>,
    conversations: Arc<Conversations>,
    refusals: Arc<Refusals>,
}

/// Where a login stands after each request.
enum Outcome {
    LoggedIn(Arc<Session>, CookieValue),
    Ask(ConversationId, Prompt),
    Failed(Failure, Vec<PamMessage>),
}

impl Logins {
    /// Nobody logs in yet.
    pub(crate) fn new(config: &Config) -> Self {
        let limits: &LoginLimits = &config.logins;
        Self {
            throttle: Mutex::new(Throttle::new(limits)),
            slots: Slots::new(limits),
            conversations: Conversations::new(limits.conversation_idle),
            refusals: Refusals::new(),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a login that was admitted.
    async fn begin(
        &self,
        server: &Server,
        slot: Slot,
        applicant: Applicant,
        password: Secret,
        reuse_password: ReusePassword,
    ) -> Outcome {
        let helper = match Helper::connect(&server.config.session_socket, slot).await {
            Ok(helper) => helper,
            Err(error) => return self.helper_failed(&applicant, &error),
        };
        let step = attempt::begin(helper, applicant, password, reuse_password).await;
        self.after(server, step).await
    }

    /// Goes on with a login that asked something.
    async fn answer(
        &self,
        server: &Server,
        id: &ConversationId,
        source: IpAddr,
        answer: Secret,
    ) -> Outcome {
        match self.conversations.resume(id, source) {
            Some(attempt) => self.after(server, attempt.answer(answer).await).await,
            None => Outcome::Failed(Failure::Expired, Vec::new()),
        }
    }

    /// Waits for a place, and as long as the failures of others and its own ask for.
    async fn admit(&self, server: &Server, applicant: &Applicant) -> Result<Slot, Failure> {
        let source = Source::of(applicant.source);
        let account = Account::named(&applicant.user);
        let check = || {
            let verdict = self.throttle().check(source, account, Boottime::now());
            match verdict {
                Verdict::GoAfter(_)
                    if server.sessions.is_known(&applicant.user, applicant.source) =>
                {
                    Verdict::Go
                }
                Verdict::Go | Verdict::GoAfter(_) | Verdict::Refuse(_) => verdict,
            }
        };
        match check() {
            Verdict::Go => {}
            Verdict::GoAfter(wait) => tokio::time::sleep(wait).await,
            Verdict::Refuse(wait) => return Err(Failure::Limited(wait)),
        }
        let slot = self
            .slots
            .take(source)
            .await
            .map_err(|Busy| Failure::Busy)?;
        // Others of the same source may have failed while this one waited.
        match check() {
            Verdict::Go | Verdict::GoAfter(_) => Ok(slot),
            Verdict::Refuse(wait) => Err(Failure::Limited(wait)),
        }
    }

    async fn after(&self, server: &Server, step: Step) -> Outcome {
        match step {
            Step::Ask(attempt, prompt) => {
                let user = attempt.user().to_owned();
                match self.conversations.park(*attempt) {
                    Ok(id) => Outcome::Ask(id, prompt),
                    Err(ParkError::TooMany) => Outcome::Failed(Failure::Busy, Vec::new()),
                    Err(ParkError::Random(error)) => {
                        tracing::error!(user, %error, "a login cannot wait for its answer");
                        Outcome::Failed(Failure::Unavailable, Vec::new())
                    }
                }
            }
            Step::Admitted { applicant, user, bridge, helper } => {
                self.admitted(server, applicant, user, bridge, helper).await
            }
            Step::Refused { applicant, reason, messages } => {
                self.refused(&applicant, reason, messages)
            }
            Step::Failed { applicant, error: HelperError::Message(error) } => {
                // A name or password that PAM cannot take is a wrong one.
                tracing::debug!(%error, "login request does not fit");
                self.refused(&applicant, Refusal::AuthenticationFailed, Vec::new())
            }
            Step::Failed { applicant, error } => self.helper_failed(&applicant, &error),
        }
    }

    async fn admitted(
        &self,
        server: &Server,
        applicant: Applicant,
        user: String,
        bridge: tokio::net::UnixStream,
        helper: Helper,
    ) -> Outcome {
        let account = Account::named(&applicant.user);
        self.throttle()
            .succeeded(Source::of(applicant.source), account);
        tokio::spawn(async move {
            let end = helper.ended().await;
            tracing::debug!(?end, "login helper ended");
        });
        let source = applicant.source;
        let admitted = Admitted {
            user,
            source,
            application: applicant.application,
            superuser: applicant.superuser,
            bridge,
        };
        match server.sessions.begin(admitted).await {
            Ok((session, cookie)) => Outcome::LoggedIn(session, cookie),
            Err(error) => {
                self.record(Event::LoginFailed, &applicant.user, source, &error);
                begin_failed(error)
            }
        }
    }

    fn refused(
        &self,
        applicant: &Applicant,
        reason: Refusal,
        messages: Vec<PamMessage>,
    ) -> Outcome {
        let why = format_args!("{reason:?}");
        self.record(Event::LoginFailed, &applicant.user, applicant.source, &why);
        let failure = match reason {
            Refusal::AuthenticationFailed | Refusal::TooManyAttempts => {
                let source = Source::of(applicant.source);
                let account = Account::named(&applicant.user);
                self.throttle().failed(source, account, Boottime::now());
                return Outcome::Failed(Failure::Rejected, Vec::new());
            }
            Refusal::AccountExpired | Refusal::PasswordExpired | Refusal::AccessDenied => {
                Failure::Denied
            }
            Refusal::UnsupportedShell => Failure::UnsupportedShell,
            Refusal::PamUnavailable | Refusal::Internal => Failure::Unavailable,
        };
        Outcome::Failed(failure, messages)
    }

    fn helper_failed(&self, applicant: &Applicant, error: &HelperError) -> Outcome {
        self.record(Event::LoginFailed, &applicant.user, applicant.source, error);
        Outcome::Failed(Failure::Unavailable, Vec::new())
    }

    /// Writes into the audit log that there is no login.
    fn record(&self, event: Event, user: &str, source: IpAddr, reason: &dyn Display) {
        let entry = Entry::new(event)
            .with(Field::User, user)
            .with(Field::Source, source)
            .with(Field::Reason, reason);
        self.refusals.record(source, &entry);
    }
}

/// Runs a login to its next step even when the browser hangs up meanwhile, for [`ABANDONED_LIMIT`]: a failure counts
/// although nobody waits for it. What nobody is there to receive ends at once.
async fn to_the_end(
    server: &Arc<Server>,
    login: impl Future<Output = Outcome> + Send + 'static,
) -> Outcome {
    let (mut sender, receiver) = tokio::sync::oneshot::channel();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let mut login = pin!(login);
        let outcome = tokio::select! {
            biased;
            outcome = &mut login => Some(outcome),
            () = sender.closed() => tokio::time::timeout(ABANDONED_LIMIT, login).await.ok(),
        };
        let Some(outcome) = outcome else {
            tracing::debug!("hung up on a login helper that nobody waits for");
            return;
        };
        match sender.send(outcome) {
            Err(Outcome::LoggedIn(session, _)) => session.end(&End::NobodyThere),
            Err(Outcome::Ask(id, _)) => server.logins.conversations.forget(&id),
            Err(Outcome::Failed(..)) | Ok(()) => {}
        }
    });
    // The task ends without a word only by a panic, which was logged.
    let lost = Outcome::Failed(Failure::Unavailable, Vec::new());
    receiver.await.unwrap_or(lost)
}

fn begin_failed(error: BeginError) -> Outcome {
    match error {
        BeginError::Greet(GreetError::Refused { problem, message }) => {
            let said = message.map(|text| PamMessage { kind: PamMessageKind::Error, text });
            let failure = if problem == Problem::AccessDenied {
                Failure::Denied
            } else if problem == Problem::UnsupportedShell {
                Failure::UnsupportedShell
            } else {
                Failure::NoBridge(problem)
            };
            Outcome::Failed(failure, said.into_iter().collect())
        }
        BeginError::Greet(GreetError::Timeout) => {
            Outcome::Failed(Failure::NoBridge(Problem::Timeout), Vec::new())
        }
        BeginError::Greet(GreetError::Gone | GreetError::Io(_) | GreetError::Violation(_)) => {
            Outcome::Failed(Failure::NoBridge(Problem::NoCockpit), Vec::new())
        }
        BeginError::Random(_) => Outcome::Failed(Failure::Unavailable, Vec::new()),
    }
}

/// A browser that goes while its login waits for a place takes the login with it; from there on it does not.
async fn begin(
    server: &Arc<Server>,
    applicant: Applicant,
    password: Secret,
    reuse_password: ReusePassword,
) -> Outcome {
    let logins = &server.logins;
    let slot = match logins.admit(server, &applicant).await {
        Ok(slot) => slot,
        Err(failure) => {
            let Applicant { user, source, .. } = &applicant;
            logins.record(Event::LoginLimited, user, *source, &failure.log_word());
            return Outcome::Failed(failure, Vec::new());
        }
    };
    let owned = Arc::clone(server);
    let login = async move {
        owned
            .logins
            .begin(&owned, slot, applicant, password, reuse_password)
            .await
    };
    to_the_end(server, login).await
}

async fn answer_prompt(
    server: &Arc<Server>,
    id: ConversationId,
    source: IpAddr,
    answer: Secret,
) -> Outcome {
    let owned = Arc::clone(server);
    let login = async move { owned.logins.answer(&owned, &id, source, answer).await };
    to_the_end(server, login).await
}

fn set_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn never_stored(response: &mut Response) {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
}

/// How long a helper may still work for a browser that has gone. PAM answers a failure after 3 s or 6.
const ABANDONED_LIMIT: Duration = Duration::from_secs(7);

/// For fuzzing, by way of the crate's own.
pub(crate) fn reads_authorization(bytes: &[u8]) -> bool {
    Authorization::parse(bytes).is_ok()
}

/// For fuzzing, by way of the crate's own.
pub(crate) fn reads_form(bytes: &[u8]) -> bool {
    Form::parse(bytes).is_ok()
}
