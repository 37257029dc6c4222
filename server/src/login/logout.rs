//! Logout, by header for pages with scripts and by form for those without.
//!
//! Caller: `routes`. The session ends everywhere; the cookie is cleared whether there was one or not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::by_form::read_form;
use super::{never_stored, set_cookie};
use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};
use crate::pages::{ErrorPage, FormPlace, LoginForm, LoginPage, NextPath, Notice, Reuse};
use crate::sessions::{End, clearing_header};

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
        session.end(&End::Logout);
    }
    let mut response = if by_header {
        StatusCode::NO_CONTENT.into_response()
    } else {
        server.pages.login_page(&LoginPage {
            status: StatusCode::OK,
            application: &application,
            place: FormPlace::Login,
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

/// Carries a session's token (T1).
const CSRF_HEADER: &str = "x-csrf-token";
