//! Problem codes: the stable words that cross the wire when something did not work.
//!
//! The sentence for people is in `web/src/problems.ts`; the meaning here is the protocol's. Used by every crate.

use std::borrow::Cow;

/// A problem code as it stands in `close` and `init`.
///
/// Codes that we do not know (a newer peer's) pass through unchanged as [`Problem::Other`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each variant is its code, and the codes are described in docs/protocol.md"
)]
pub enum Problem {
    AccessDenied,
    AuthenticationFailed,
    AuthenticationNotSupported,
    AuthenticationUnavailable,
    ChangeConflict,
    Disconnected,
    InternalError,
    InvalidHostkey,
    NoCockpit,
    NoHost,
    NoSession,
    NotDirectory,
    NotFound,
    NotSupported,
    ProtocolError,
    Terminated,
    Timeout,
    TooLarge,
    UnknownHost,
    UnknownHostkey,
    UnsupportedShell,
    Other(Cow<'static, str>),
}

/// The one table of codes, in both directions.
const CODES: [(Problem, &str); 21] = [
    (Problem::AccessDenied, "access-denied"),
    (Problem::AuthenticationFailed, "authentication-failed"),
    (Problem::AuthenticationNotSupported, "authentication-not-supported"),
    (Problem::AuthenticationUnavailable, "authentication-unavailable"),
    (Problem::ChangeConflict, "change-conflict"),
    (Problem::Disconnected, "disconnected"),
    (Problem::InternalError, "internal-error"),
    (Problem::InvalidHostkey, "invalid-hostkey"),
    (Problem::NoCockpit, "no-cockpit"),
    (Problem::NoHost, "no-host"),
    (Problem::NoSession, "no-session"),
    (Problem::NotDirectory, "not-directory"),
    (Problem::NotFound, "not-found"),
    (Problem::NotSupported, "not-supported"),
    (Problem::ProtocolError, "protocol-error"),
    (Problem::Terminated, "terminated"),
    (Problem::Timeout, "timeout"),
    (Problem::TooLarge, "too-large"),
    (Problem::UnknownHost, "unknown-host"),
    (Problem::UnknownHostkey, "unknown-hostkey"),
    (Problem::UnsupportedShell, "unsupported-shell"),
];

impl Problem {
    /// The code as it crosses the wire.
    pub fn code(&self) -> &str {
        if let Self::Other(code) = self {
            return code;
        }
        CODES
            .iter()
            .find(|(problem, _)| problem == self)
            .map_or("internal-error", |(_, code)| code)
    }

    /// The problem with this code.
    pub fn from_code(code: &str) -> Self {
        CODES.iter().find(|(_, known)| *known == code).map_or_else(
            || Self::Other(Cow::Owned(code.to_owned())),
            |(problem, _)| problem.clone(),
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[test]
fn every_code_leads_back_to_its_problem() {
    for (problem, code) in CODES {
        assert_eq!(Problem::from_code(code), problem);
        assert_eq!(problem.code(), code);
    }
    assert_eq!(Problem::from_code("brand-new").code(), "brand-new");
}
