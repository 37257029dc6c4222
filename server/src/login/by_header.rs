//! The login of pages with scripts: headers ask, headers and JSON answer.
//!
//! Callers: `routes`. What is asked of it is done by [`super::begin`] and [`super::answer_prompt`], the same as for
//! forms. Text: docs/protocol.md, "HTTP surface".

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::ext::ReasonPhrase;
use protocol::problem::Problem;
use serde_json::json;
use session::messages::ReusePassword;

use super::attempt::{Applicant, Prompt};
use super::authorization::{Authorization, AuthorizationError};
use super::conversation::ConversationId;
use super::failure::Failure;
use super::{Outcome, answer_prompt, begin, never_stored, set_cookie};
use crate::Server;
use crate::admission::{Application, Connection};
use crate::pages::{Echo, PamMessage, PamMessageKind};
use crate::relay::handshake::SuperuserStart;
use crate::sessions::Session;

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
    let reuse = match headers.get(REUSE_HEADER) {
        Some(choice) if choice.as_bytes() == b"keep" => ReusePassword::Keep,
        Some(_) | None => ReusePassword::Forget,
    };
    drop(request);
    let source = connection.peer.ip();
    let outcome = match parsed {
        Ok(Authorization::Basic { user, password }) => {
            let applicant = Applicant { user, source, application: application.clone(), superuser };
            begin(&server, applicant, password, reuse).await
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

/// `keep` lets the user's own bridge keep the password, as the box in the form does.
const REUSE_HEADER: &str = "x-reuse-password";

/// `any` asks for the privileged bridge at once.
const SUPERUSER_HEADER: &str = "x-superuser";
