//! Who may ask: the checks of Host, Origin and `Sec-Fetch-Site` that stand before every handler.
//!
//! A check that passed leaves a value: [`AcceptedHost`] and [`OwnOrigin`] can be made only here, and a handler that
//! needs one takes it as its argument. Called by `routes` once for each request. Never here: cookies and tokens
//! (`sessions`), and any URL made from `Host` beside the redirect to HTTPS. Rules: T1, T2, T9.

use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Over TLS.
    Tls,
    /// Plain, from this machine itself, because the setting `loopback-http` allows it.
    PlainLoopback,
}

impl Transport {
    /// The scheme of our own origin on this transport.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "https",
            Self::PlainLoopback => "http",
        }
    }
}

/// The connection a request came in on. An extractor: `routes` has put it into every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    /// The browser's address; an IPv4 address is never shown mapped into IPv6.
    pub(crate) peer: SocketAddr,
    /// TLS or plain; decides the cookie's name and flags (T8).
    pub(crate) transport: Transport,
}

/// The `APP` of `/cockpit+APP/…`; empty for `/cockpit/…`. An extractor. Letters, digits, `-`, `_` and `.` only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Application(String);

impl Application {
    /// Takes the first path segment, `cockpit` or `cockpit+APP`.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        match segment.strip_prefix("cockpit")? {
            "" => Some(Self::default()),
            more => {
                let name = more.strip_prefix('+')?;
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                let good = !name.is_empty() && name.len() <= 64 && name.bytes().all(fits);
                good.then(|| Self(name.to_owned()))
            }
        }
    }

    /// `APP`, or an empty text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Proof that the request names this server (T9). An extractor.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedHost(String);

impl AcceptedHost {
    /// Host and port as the browser sent them, in lower case.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Proof that the request was made by a page of ours or of a configured origin (T1, T2). An extractor.
#[derive(Debug, Clone)]
pub(crate) struct OwnOrigin(());

/// A DNS name: LDH labels and `_`, at most 253 bytes, lower case, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostName(String);

impl HostName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && label.bytes().all(fits)
        };
        let good = text.len() <= 253 && text.split('.').all(label);
        good.then(|| Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An origin of the web: scheme, host and port, as a browser writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin(String);

impl Origin {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let _ = text;
        None
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `routes` puts into each request, a handler takes out by its type.
macro_rules! extracted {
    ($($kind:ty),*) => {$(
        impl<S: Sync> FromRequestParts<S> for $kind {
            type Rejection = StatusCode;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
                parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    )*};
}

extracted!(Connection, Application, AcceptedHost, OwnOrigin);
