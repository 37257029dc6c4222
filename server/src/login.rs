//! Login and logout, by headers for pages with scripts and by forms for those without.
//!
//! Both exchanges do the same: [`attempt`] talks to one root helper, [`conversation`] keeps it while the browser is
//! asked, [`throttle`] and [`slots`] stand before it. The server decides nothing about who may log in; it keeps no
//! password and tells nobody which names exist (T17). Callers: `routes`. Text: docs/protocol.md, "HTTP surface".

mod attempt;
mod authorization;
mod conversation;
mod form;
mod helper;
mod slots;
#[cfg(test)]
mod tests;
mod throttle;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Buf as _;
use hyper::ext::ReasonPhrase;
use protocol::problem::Problem;
use protocol::secret::Secret;
use serde_json::json;
use session::messages::{Refusal, ReusePassword};
use zeroize::Zeroizing;

use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin, Source};
use crate::config::{Config, LoginLimits};
use crate::pages::{
    Echo, ErrorPage, LoginForm, LoginPage, NextPath, Notice, PamMessage, PamMessageKind, Reuse,
};
use crate::relay::handshake::{GreetError, SuperuserStart};
use crate::sessions::{Admitted, BeginError, Boottime, CookieValue, End, Session, clearing_header};
use attempt::{Applicant, Prompt, Step};
use authorization::{Authorization, AuthorizationError};
use conversation::{ConversationId, Conversations, ParkError};
use form::Form;
use helper::{Helper, HelperError};
use slots::{Busy, Slots};
use throttle::{Account, Throttle, Verdict};

/// Logins under way.
#[derive(Debug)]
pub(crate) struct Logins {
    throttle: Mutex<Throttle>,
    slots: Arc<Slots>,
    conversations: Arc<Conversations>,
}

/// Where a login stands after each request.
enum Outcome {
    LoggedIn(Arc<Session>, CookieValue),
    Ask(ConversationId, Prompt),
    Failed(Failure, Vec<PamMessage>),
}

/// Why there is no login; the same for both exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// User or password wrong; nobody learns which.
    Rejected,
    /// A scheme that we do not speak.
    NotSupported,
    /// The conversation is not known (any more).
    Expired,
    /// Authenticated, and not let in.
    Denied,
    /// The account's shell cannot run a bridge.
    UnsupportedShell,
    /// The bridge did not start; its problem.
    NoBridge(Problem),
    /// Something here does not work.
    Unavailable,
    /// Too many failures from there.
    Limited(Duration),
    /// Too many logins at once.
    Busy,
    /// The request is no login.
    Malformed,
}

impl Logins {
    /// Nobody logs in yet.
    pub(crate) fn new(config: &Config) -> Self {
        let limits: &LoginLimits = &config.logins;
        Self {
            throttle: Mutex::new(Throttle::new(limits)),
            slots: Slots::new(limits),
            conversations: Conversations::new(limits.conversation_idle),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a login.
    async fn begin(
        &self,
        server: &Server,
        applicant: Applicant,
        password: Secret,
        reuse_password: ReusePassword,
    ) -> Outcome {
        let source = Source::of(applicant.source);
        let account = Account::named(&applicant.user);
        let slot = match self.admit(server, &applicant, source, account).await {
            Ok(slot) => slot,
            Err(failure) => {
                tracing::warn!(
                    user = applicant.user,
                    source = %applicant.source,
                    limited = ?failure,
                    "login not attempted"
                );
                return Outcome::Failed(failure, Vec::new());
            }
        };
        let helper = match Helper::connect(&server.config.session_socket).await {
            Ok(helper) => helper,
            Err(error) => return helper_failed(&applicant, &error),
        };
        let step = attempt::begin(helper, slot, applicant, password, reuse_password).await;
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
    async fn admit(
        &self,
        server: &Server,
        applicant: &Applicant,
        source: Source,
        account: Account,
    ) -> Result<slots::Slot, Failure> {
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
                        tracing::error!(user, %error, "login failed");
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
            Step::Failed { applicant, error } => helper_failed(&applicant, &error),
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
                tracing::error!(user = applicant.user, %source, %error, "login failed");
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
        tracing::warn!(
            user = applicant.user,
            source = %applicant.source,
            reason = ?reason,
            "login refused"
        );
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
}

/// Runs a login to its next step even when the browser hangs up meanwhile: the helper's place stays taken as long as
/// the helper runs, and a failure counts. What nobody is there to receive ends at once.
async fn to_the_end(
    server: &Arc<Server>,
    login: impl Future<Output = Outcome> + Send + 'static,
) -> Outcome {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        match sender.send(login.await) {
            Err(Outcome::LoggedIn(session, _)) => session.end(&End::Logout),
            Err(Outcome::Ask(id, _)) => server.logins.conversations.forget(&id),
            Err(Outcome::Failed(..)) | Ok(()) => {}
        }
    });
    // The task ends without a word only by a panic, which was logged.
    let lost = Outcome::Failed(Failure::Unavailable, Vec::new());
    receiver.await.unwrap_or(lost)
}

fn helper_failed(applicant: &Applicant, error: &HelperError) -> Outcome {
    tracing::error!(user = applicant.user, source = %applicant.source, %error, "login failed");
    Outcome::Failed(Failure::Unavailable, Vec::new())
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

async fn begin(
    server: &Arc<Server>,
    applicant: Applicant,
    password: Secret,
    reuse_password: ReusePassword,
) -> Outcome {
    let owned = Arc::clone(server);
    let login = async move {
        owned
            .logins
            .begin(&owned, applicant, password, reuse_password)
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

/// `GET /cockpit[+APP]/login`
pub(crate) async fn get(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    request: Request,
) -> Response {
    let headers = request.headers();
    if let Some(session) = server
        .sessions
        .find(headers, connection.transport, &application)
    {
        return logged_in_json(&session);
    }
    let parsed = match headers.get(header::AUTHORIZATION) {
        Some(value) => Authorization::parse(value.as_bytes()),
        None => return failure_json(&Failure::Rejected, &[]),
    };
    let superuser = superuser_start(headers);
    drop(request);
    let source = connection.peer.ip();
    let outcome = match parsed {
        Ok(Authorization::Basic { user, password }) => {
            let applicant = Applicant { user, source, application: application.clone(), superuser };
            begin(&server, applicant, password, ReusePassword::Forget).await
        }
        Ok(Authorization::Conversation { id, answer }) => {
            answer_prompt(&server, id, source, answer).await
        }
        Err(AuthorizationError::NotSupported) => Outcome::Failed(Failure::NotSupported, Vec::new()),
        Err(AuthorizationError::Malformed) => Outcome::Failed(Failure::Rejected, Vec::new()),
    };
    match outcome {
        Outcome::LoggedIn(session, cookie) => {
            let mut response = logged_in_json(&session);
            set_cookie(&mut response, cookie.header(connection.transport, &application));
            response
        }
        Outcome::Ask(id, prompt) => prompt_json(&id, &prompt),
        Outcome::Failed(failure, messages) => failure_json(&failure, &messages),
    }
}

/// `POST /cockpit[+APP]/login`
pub(crate) async fn post(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    _own: OwnOrigin,
    request: Request,
) -> Response {
    let limit = server.config.logins.form;
    let (next, user, reuse, outcome) = match read_form(request.into_body(), limit).await {
        Ok(form) => submit(&server, &connection, &application, form).await,
        Err(refusal) => return server.pages.error_page(&refusal),
    };
    let page = |status, notice, messages: &[PamMessage], form| {
        server.pages.login_page(&LoginPage {
            status,
            application: &application,
            next: &next,
            notice,
            messages,
            form,
        })
    };
    let mut response = match outcome {
        Outcome::LoggedIn(_session, cookie) => {
            let mut response = see_other(&next);
            set_cookie(&mut response, cookie.header(connection.transport, &application));
            response
        }
        Outcome::Ask(id, prompt) => {
            let conversation = id.text();
            let form = LoginForm::Prompt {
                conversation: &conversation,
                prompt: &prompt.text,
                echo: prompt.echo,
            };
            page(StatusCode::OK, Notice::None, &prompt.messages, form)
        }
        Outcome::Failed(failure, messages) => {
            let form = LoginForm::Credentials { user: &user, reuse };
            let mut response = page(failure.status(), failure.notice(), &messages, form);
            failure.add_retry_after(&mut response);
            response
        }
    };
    never_stored(&mut response);
    response
}

/// What a submitted form leads to, and what the next page shows again.
async fn submit(
    server: &Arc<Server>,
    connection: &Connection,
    application: &Application,
    mut form: Form,
) -> (NextPath, String, Reuse, Outcome) {
    let next = NextPath::parse(&form.take_text("next").unwrap_or_default());
    let source = connection.peer.ip();
    if let Some(id) = form.take("conversation") {
        let answer = form
            .take("answer")
            .unwrap_or_else(|| Secret::new(Vec::new()));
        let outcome = match ConversationId::parse(id.expose()) {
            Some(id) => answer_prompt(server, id, source, answer).await,
            None => Outcome::Failed(Failure::Expired, Vec::new()),
        };
        return (next, String::new(), Reuse::No, outcome);
    }
    let (reuse, keep) = match form.take("reuse") {
        Some(_ticked) => (Reuse::Yes, ReusePassword::Keep),
        None => (Reuse::No, ReusePassword::Forget),
    };
    let user = form.take_text("user").unwrap_or_default();
    let Some(password) = form.take("password").filter(|_| !user.is_empty()) else {
        return (next, user, reuse, Outcome::Failed(Failure::Malformed, Vec::new()));
    };
    let applicant = Applicant {
        user: user.clone(),
        source,
        application: application.clone(),
        superuser: SuperuserStart::No,
    };
    let outcome = begin(server, applicant, password, keep).await;
    (next, user, reuse, outcome)
}

/// `POST /cockpit[+APP]/logout`, with the session's token in the header `X-CSRF-Token` or the field `csrf-token`.
pub(crate) async fn logout(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    _own: OwnOrigin,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let session = server
        .sessions
        .find(&parts.headers, connection.transport, &application);
    let by_header = parts.headers.get(CSRF_HEADER).is_some();
    let token = match parts.headers.get(CSRF_HEADER) {
        Some(token) => token.to_str().unwrap_or_default().to_owned(),
        None => match read_form(body, server.config.logins.form).await {
            Ok(mut form) => form.take_text("csrf-token").unwrap_or_default(),
            Err(refusal) => return server.pages.error_page(&refusal),
        },
    };
    if let Some(session) = session {
        if !session.csrf().is(&token) {
            return server.pages.error_page(&ErrorPage::Forbidden);
        }
        tracing::info!(session = session.number(), user = session.user(), "logout");
        session.end(&End::Logout);
    }
    let mut response = if by_header {
        StatusCode::NO_CONTENT.into_response()
    } else {
        server.pages.login_page(&LoginPage {
            status: StatusCode::OK,
            application: &application,
            next: &NextPath::parse("/"),
            notice: Notice::LoggedOut,
            messages: &[],
            form: LoginForm::Credentials { user: "", reuse: Reuse::No },
        })
    };
    set_cookie(&mut response, clearing_header(connection.transport, &application));
    never_stored(&mut response);
    response
}

/// Reads a form's body; the copies that are ours are wiped.
async fn read_form(body: Body, limit: usize) -> Result<Form, ErrorPage<'static>> {
    let too_large = body.size_hint().lower() > limit as u64;
    if too_large {
        return Err(ErrorPage::TooLarge);
    }
    let collected = tokio::time::timeout(BODY_LIMIT, collect(body, limit)).await;
    let bytes = collected.map_err(|_| ErrorPage::BadRequest)??;
    Form::parse(&bytes).map_err(|_| ErrorPage::BadRequest)
}

async fn collect(mut body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, ErrorPage<'static>> {
    use http_body_util::BodyExt as _;

    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ErrorPage::BadRequest)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(ErrorPage::TooLarge);
        }
        bytes.extend_from_slice(data.chunk());
        // Wipes hyper's copy where nothing else of the connection stands in the same buffer.
        if let Ok(mut unshared) = data.try_into_mut() {
            unshared.fill(0);
        }
    }
    Ok(bytes)
}

fn superuser_start(headers: &HeaderMap) -> SuperuserStart {
    match headers.get(SUPERUSER_HEADER) {
        Some(choice) if choice.as_bytes() == b"any" => SuperuserStart::Any,
        Some(_) | None => SuperuserStart::No,
    }
}

fn logged_in_json(session: &Session) -> Response {
    json_response(StatusCode::OK, &json!({ "csrf-token": session.csrf().as_str() }))
}

fn prompt_json(id: &ConversationId, prompt: &Prompt) -> Response {
    let mut body = json!({
        "prompt": prompt.text,
        "echo": prompt.echo == Echo::Shown,
    });
    for (member, kind) in [("message", PamMessageKind::Info), ("error", PamMessageKind::Error)] {
        let text = texts(&prompt.messages, kind);
        if let (false, Some(members)) = (text.is_empty(), body.as_object_mut()) {
            members.insert(member.to_owned(), text.into());
        }
    }
    let mut response = json_response(StatusCode::UNAUTHORIZED, &body);
    let challenge = format!("X-Conversation {} {}", id.text(), STANDARD.encode(&prompt.text));
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    add_reason(&mut response, Problem::AuthenticationFailed.code());
    response
}

fn failure_json(failure: &Failure, messages: &[PamMessage]) -> Response {
    let problem = failure.problem();
    let mut body = json!({ "problem": problem.code() });
    let words: Vec<_> = messages
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    if let (false, Some(members)) = (words.is_empty(), body.as_object_mut()) {
        members.insert("message".to_owned(), words.join("\n").into());
    }
    let mut response = json_response(failure.status(), &body);
    failure.add_retry_after(&mut response);
    add_reason(&mut response, problem.code());
    response
}

fn texts(messages: &[PamMessage], kind: PamMessageKind) -> String {
    let of_kind = messages.iter().filter(|message| message.kind == kind);
    of_kind
        .map(|message| message.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, content_type, body.to_string()).into_response();
    never_stored(&mut response);
    response
}

/// The reason phrase of the status line carries the problem: Cockpit's clients read it there.
fn add_reason(response: &mut Response, code: &str) {
    if let Ok(reason) = ReasonPhrase::try_from(code.to_owned()) {
        response.extensions_mut().insert(reason);
    }
}

fn see_other(next: &NextPath) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::try_from(next.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
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

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Rejected | Self::NotSupported | Self::Expired | Self::Malformed => {
                StatusCode::UNAUTHORIZED
            }
            Self::Denied => StatusCode::FORBIDDEN,
            Self::UnsupportedShell | Self::NoBridge(_) | Self::Unavailable => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Rejected | Self::Expired | Self::Malformed | Self::Limited(_) => {
                Problem::AuthenticationFailed
            }
            Self::NotSupported => Problem::AuthenticationNotSupported,
            Self::Denied => Problem::AccessDenied,
            Self::UnsupportedShell => Problem::UnsupportedShell,
            Self::NoBridge(problem) => problem.clone(),
            Self::Unavailable => Problem::InternalError,
            Self::Busy => Problem::AuthenticationUnavailable,
        }
    }

    fn notice(&self) -> Notice {
        match self {
            Self::Rejected | Self::NotSupported | Self::Malformed => Notice::Failed,
            Self::Expired => Notice::Expired,
            Self::Denied | Self::UnsupportedShell => Notice::Denied,
            Self::NoBridge(_) | Self::Unavailable => Notice::Unavailable,
            Self::Limited(wait) => Notice::Limited(whole_seconds(*wait)),
            Self::Busy => Notice::Busy(BUSY_RETRY),
        }
    }

    fn add_retry_after(&self, response: &mut Response) {
        let seconds = match self {
            Self::Limited(wait) => whole_seconds(*wait),
            Self::Busy => BUSY_RETRY,
            Self::Rejected
            | Self::NotSupported
            | Self::Expired
            | Self::Malformed
            | Self::Denied
            | Self::UnsupportedShell
            | Self::NoBridge(_)
            | Self::Unavailable => return,
        };
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
}

/// For fuzzing, by way of the crate's own.
pub(crate) fn reads_authorization(bytes: &[u8]) -> bool {
    Authorization::parse(bytes).is_ok()
}

/// For fuzzing, by way of the crate's own.
pub(crate) fn reads_form(bytes: &[u8]) -> bool {
    Form::parse(bytes).is_ok()
}

/// Rounded up, so that who waits so long is not refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Seconds after which a login that found no place may come again.
const BUSY_RETRY: u64 = 5;

/// How long a form's body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// Carries a session's token (T1).
const CSRF_HEADER: &str = "x-csrf-token";

/// `any` asks for the privileged bridge at once.
const SUPERUSER_HEADER: &str = "x-superuser";
