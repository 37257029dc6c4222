//! The pages made here: login, errors and the frame of the shell; all usable without scripts.
//!
//! Callers: `login`, `routes`, `external`. Everything shown is escaped by the templates. Never here: a decision.
//! Texts: plain, cause then next step; nothing on the login page tells users apart (T17).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admission::Application;
use crate::config::Config;

/// What does not change between two pages.
#[derive(Debug)]
pub(crate) struct Pages {}

impl Pages {
    /// Takes title and banner from the settings.
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }

    /// The login page in one of its forms, with the headers of an unauthenticated page.
    pub(crate) fn login_page(&self, page: &LoginPage<'_>) -> Response {
        page.status.into_response()
    }

    /// A page that says why a request was refused and what to do next.
    pub(crate) fn error_page(&self, error: &ErrorPage<'_>) -> Response {
        let _ = error;
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

/// The login page.
#[derive(Debug)]
pub(crate) struct LoginPage<'a> {
    pub(crate) status: StatusCode,
    /// Where the form posts to: `/cockpit[+APP]/login`.
    pub(crate) application: &'a Application,
    /// Where to go after login.
    pub(crate) next: &'a NextPath,
    pub(crate) notice: Notice,
    /// What PAM said since the last page, in order.
    pub(crate) messages: &'a [PamMessage],
    pub(crate) form: LoginForm<'a>,
}

/// What the login page asks for.
#[derive(Debug)]
pub(crate) enum LoginForm<'a> {
    /// Fields `user`, `password`, `reuse` (`on` if ticked) and `next`.
    Credentials { user: &'a str, reuse: Reuse },
    /// Fields `conversation`, `answer` and `next`: one question of PAM.
    Prompt { conversation: &'a str, prompt: &'a str, echo: Echo },
}

/// Whether the box *Reuse my password …* is ticked when the page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    No,
    Yes,
}

/// Whether an answer can be seen while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Hidden,
    Shown,
}

/// Something PAM said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PamMessage {
    pub(crate) kind: PamMessageKind,
    pub(crate) text: String,
}

/// `PAM_TEXT_INFO` or `PAM_ERROR_MSG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PamMessageKind {
    Info,
    Error,
}

/// Why the login page is shown (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The first time.
    None,
    /// User or password were wrong; never which.
    Failed,
    /// Authenticated, but not allowed in: the account is locked, expired, or has no shell.
    Denied,
    /// Too many failures; seconds to wait.
    Limited(u64),
    /// Too many logins at once; seconds to wait.
    Busy(u64),
    /// The conversation took too long, or its id is not known.
    Expired,
    /// The helper or the bridge could not be started.
    Unavailable,
    /// The user logged out.
    LoggedOut,
}

/// A path of ours to go to after login: begins with one `/`, holds no scheme, host, backslash or control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextPath(String);

impl NextPath {
    /// `/` in place of anything that does not fit.
    pub(crate) fn parse(text: &str) -> Self {
        let _ = text;
        Self("/".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorPage<'a> {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405, with the methods that are allowed.
    MethodNotAllowed(&'static str),
    /// 413
    TooLarge,
    /// 421: the name under which we were addressed.
    UnknownHost(&'a str),
    /// 429: seconds to wait.
    Limited(u64),
    /// 500
    Internal,
    /// 502
    BridgeFailed,
    /// 503: seconds to wait.
    Busy(u64),
}
