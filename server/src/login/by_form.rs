//! The login of pages without scripts: a form asks, a page or a redirect answers.
//!
//! Callers: `routes`. What is asked of it is done by [`super::begin`] and [`super::answer_prompt`], the same as for
//! headers. A form's body is wiped. Text: docs/protocol.md, "HTTP surface".

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Buf as _;
use protocol::secret::Secret;
use session::messages::ReusePassword;
use zeroize::Zeroizing;

use super::attempt::Applicant;
use super::conversation::ConversationId;
use super::failure::Failure;
use super::form::Form;
use super::{Outcome, answer_prompt, begin, never_stored, set_cookie};
use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};
use crate::pages::{
    ErrorPage, FormPlace, LoginForm, LoginPage, NextPath, Notice, PamMessage, Reuse,
};
use crate::relay::handshake::SuperuserStart;

/// `POST /cockpit[+APP]/login`, and the address of a package's page.
pub(crate) async fn post(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    _own: OwnOrigin,
    request: Request,
) -> Response {
    let limit = server.config.logins.form;
    let place = FormPlace::of(request.uri().path());
    let (next, user, reuse, outcome) = match read_form(request.into_body(), limit).await {
        Ok(form) => submit(&server, &connection, &application, form).await,
        Err(refusal) => return server.pages.error_page(&refusal),
    };
    let page = |status, notice, messages: &[PamMessage], form| {
        server.pages.login_page(&LoginPage {
            status,
            application: &application,
            place,
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

/// Reads a form's body; the copies that are ours are wiped.
pub(super) async fn read_form(body: Body, limit: usize) -> Result<Form, ErrorPage<'static>> {
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

fn see_other(next: &NextPath) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::try_from(next.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// How long a form's body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);
