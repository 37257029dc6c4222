//! Why there is no login, in the words of both exchanges: status, problem, notice of the form.
//!
//! Nothing here tells an unknown name from a wrong password (T17). Callers: [`super`], [`super::by_header`],
//! [`super::by_form`].

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::Response;
use protocol::problem::Problem;

use crate::pages::Notice;

/// Why there is no login; the same for both exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
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

impl Failure {
    pub(super) fn status(&self) -> StatusCode {
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

    /// Its name in the audit log.
    pub(super) fn log_word(&self) -> &'static str {
        match self {
            Self::Limited(_) => "too many failures",
            Self::Busy => "too many logins at once",
            Self::Rejected
            | Self::NotSupported
            | Self::Expired
            | Self::Denied
            | Self::UnsupportedShell
            | Self::NoBridge(_)
            | Self::Unavailable
            | Self::Malformed => "refused",
        }
    }

    pub(super) fn problem(&self) -> Problem {
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

    pub(super) fn notice(&self) -> Notice {
        match self {
            Self::Rejected | Self::NotSupported | Self::Malformed => Notice::Failed,
            Self::Expired => Notice::Expired,
            Self::Denied | Self::UnsupportedShell => Notice::Denied,
            Self::NoBridge(_) | Self::Unavailable => Notice::Unavailable,
            Self::Limited(wait) => Notice::Limited(whole_seconds(*wait)),
            Self::Busy => Notice::Busy(BUSY_RETRY),
        }
    }

    pub(super) fn add_retry_after(&self, response: &mut Response) {
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

/// Rounded up, so that who waits so long is not refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Seconds after which a login that found no place may come again.
const BUSY_RETRY: u64 = 5;
