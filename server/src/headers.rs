//! Security headers of every answer, a reason for each.
//!
//! Caller: `routes`, once for each answer, errors included; a handler that set one itself is left alone only where
//! that is said here. Rules: T4, T6, T11, T12, T14.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Our own documents (T6): nothing is allowed that is not named.
///
/// - `default-src 'none'`: what we forgot is refused.
/// - `script-src 'self'`: no inline script, no `eval`; the build is the only source.
/// - `style-src`, `font-src`, `connect-src 'self'`: the build, and the one socket.
/// - `img-src 'self' data:`: pictures of users and small inline icons; a picture runs nothing.
/// - `form-action 'self'`: a form that was smuggled in cannot send a password elsewhere.
/// - `base-uri 'none'`: relative addresses cannot be bent.
/// - `object-src 'none'`: no plug-ins, also where `default-src` is not understood.
/// - `frame-src 'self'`, `frame-ancestors 'self'`: packages in frames; nobody frames us (T4).
/// - `require-trusted-types-for 'script'`: no text becomes markup.
const OWN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-src 'self'; \
     frame-ancestors 'self'; require-trusted-types-for 'script'",
);

/// Every feature off but the clipboard, which the terminal and *Copy* buttons use. None that browsers have dropped
/// (`ambient-light-sensor`, `battery`, `document-domain`): they complain of those in the console.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), bluetooth=(), camera=(), clipboard-read=(self), clipboard-write=(self), \
    display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
    identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), \
    otp-credentials=(), payment=(), picture-in-picture=(), publickey-credentials-create=(), \
    publickey-credentials-get=(), screen-wake-lock=(), serial=(), storage-access=(), usb=(), web-share=(), \
    window-management=(), xr-spatial-tracking=()";

/// The same on every answer.
const ALWAYS: [(HeaderName, HeaderValue); 8] = [
    // Browsers before `frame-ancestors` (T4).
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("sameorigin")),
    // A type is what we say, never what the content looks like.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // No address of ours is told to another site.
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // No other site's process may hold our answers (T12).
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // A window opened by another site has no handle on ours.
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // Our documents load nothing that did not agree to it.
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        HeaderValue::from_static("require-corp"),
    ),
    (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
    // Host names on a page are not looked up before somebody clicks.
    (HeaderName::from_static("x-dns-prefetch-control"), HeaderValue::from_static("off")),
];

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A year, as browsers' preload lists ask; without subdomains, which are other machines (T11).
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether `Strict-Transport-Security` belongs on this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strict {
    Send,
    Omit,
}

/// Completes an answer. `Content-Security-Policy` and `Cache-Control` stay as the handler set them.
pub(crate) fn complete(headers: &mut HeaderMap, strict: Strict) {
    headers.reserve(ALWAYS.len() + 3);
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(OWN_POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if strict == Strict::Send {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
}

/// A whole answer as bytes, for connections that never reach hyper; it ends the connection.
pub(crate) fn bare_answer(status: &str, why: &str) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    complete(&mut headers, Strict::Omit);
    let body = format!("{why}\n");
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in &headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body.as_bytes());
    answer
}
