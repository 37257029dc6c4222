//! The session cookie and the tokens (T8, T65).
//!
//! A cookie's value is 256 random bits that exist here only as their SHA-256; a value that a browser offers is looked
//! up, never adopted. Callers: [`super`] and `login`.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::admission::{Application, Transport};

/// SHA-256 of a cookie's value: what a session is filed under.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CookieDigest([u8; 32]);

impl std::fmt::Debug for CookieDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieDigest(..)")
    }
}

impl CookieDigest {
    fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }
}

/// A fresh cookie value, on its way to the browser.
pub(crate) struct CookieValue(String);

impl CookieValue {
    /// 256 random bits.
    ///
    /// # Errors
    ///
    /// The kernel gives no random bytes.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        random_text().map(Self)
    }

    /// What the session is filed under.
    pub(crate) fn digest(&self) -> CookieDigest {
        CookieDigest::of(&self.0)
    }

    /// The `Set-Cookie` header.
    pub(crate) fn header(
        &self,
        transport: Transport,
        application: &Application,
    ) -> Option<HeaderValue> {
        set_cookie(transport, application, &self.0, "")
    }
}

/// The `Set-Cookie` header that makes a browser forget the cookie.
pub(crate) fn clearing_header(
    transport: Transport,
    application: &Application,
) -> Option<HeaderValue> {
    set_cookie(transport, application, "", "; Max-Age=0")
}

fn set_cookie(
    transport: Transport,
    application: &Application,
    value: &str,
    more: &str,
) -> Option<HeaderValue> {
    let name = name(transport, application);
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::PlainLoopback => "",
    };
    let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Strict{more}");
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `__Host-pilothouse[+APP]`; without TLS the prefix is not allowed (RFC 6265bis, 4.1.3.2).
fn name(transport: Transport, application: &Application) -> String {
    let prefix = match transport {
        Transport::Tls => "__Host-",
        Transport::PlainLoopback => "",
    };
    match application.as_str() {
        "" => format!("{prefix}pilothouse"),
        application => format!("{prefix}pilothouse+{application}"),
    }
}

/// The digests of all cookies of that name in a request; a browser sends at most one.
pub(crate) fn offered(
    headers: &HeaderMap,
    transport: Transport,
    application: &Application,
) -> Vec<CookieDigest> {
    let name = name(transport, application);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == name && value.len() == RANDOM_TEXT)
        .map(|(_, value)| CookieDigest::of(value))
        .take(MOST_OFFERED)
        .collect()
}

/// A token of a session against cross-site requests.
#[derive(Clone)]
pub(crate) struct CsrfToken(String);

impl std::fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

impl CsrfToken {
    /// 256 random bits.
    ///
    /// # Errors
    ///
    /// The kernel gives no random bytes.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        random_text().map(Self)
    }

    /// The token, for the page of this session.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this token, in constant time.
    pub(crate) fn is(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

/// 256 random bits as 43 characters that fit into URLs, headers and cookies.
fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Characters of 32 bytes in base64.
const RANDOM_TEXT: usize = 43;

/// Cookies of one name that are looked at, so that a long header costs no long work.
const MOST_OFFERED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_over_tls_has_every_protection() {
        let cookie = CookieValue::random().unwrap();
        let header = cookie
            .header(Transport::Tls, &Application::default())
            .unwrap();
        let text = header.to_str().unwrap();

        assert!(header.is_sensitive());
        let (value, rest) = text
            .strip_prefix("__Host-pilothouse=")
            .unwrap()
            .split_once(';')
            .unwrap();
        assert_eq!(value.len(), RANDOM_TEXT);
        assert_eq!(rest, " Path=/; Secure; HttpOnly; SameSite=Strict");
    }

    #[test]
    fn each_application_has_its_own_cookie() {
        let cookie = CookieValue::random().unwrap();
        let application = Application::parse("cockpit+kiosk").unwrap();
        let sent = cookie
            .header(Transport::PlainLoopback, &application)
            .unwrap();
        let sent = sent.to_str().unwrap();
        assert!(sent.starts_with("pilothouse+kiosk="), "{sent}");
        assert!(!sent.contains("Secure"));

        let mut headers = HeaderMap::new();
        let pair = sent.split(';').next().unwrap();
        headers.insert(header::COOKIE, format!("a=b; {pair}; c").parse().unwrap());
        let offered =
            |application: &Application| offered(&headers, Transport::PlainLoopback, application);
        assert_eq!(offered(&application), [cookie.digest()]);
        assert_eq!(offered(&Application::default()), []);
    }

    #[test]
    fn a_token_is_only_itself() {
        let token = CsrfToken::random().unwrap();
        assert!(token.is(token.as_str()));
        assert!(!token.is(""));
        assert!(!token.is(CsrfToken::random().unwrap().as_str()));
    }
}
