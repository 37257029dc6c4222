//! The `Authorization` header of a login: which scheme, and what is in it.
//!
//! `Basic` begins a login (RFC 7617), `X-Conversation` answers one of its prompts; all else is not supported. The
//! header's bytes come from anybody: nothing here panics, and what is decoded is wiped when dropped. Caller:
//! [`super`]. Text: docs/protocol.md, "HTTP surface".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::secret::Secret;
use zeroize::Zeroizing;

use super::conversation::ConversationId;

/// What a browser sent to log in.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// User and password.
    Basic {
        /// As it was typed; never empty.
        user: String,
        /// The first answer; may be empty.
        password: Secret,
    },
    /// The answer to a prompt.
    Conversation {
        /// Which one.
        id: ConversationId,
        /// May be empty.
        answer: Secret,
    },
}

/// Why a header is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthorizationError {
    /// A scheme that we do not speak, `tls-cert` among them.
    #[error("authentication scheme is not supported")]
    NotSupported,
    /// The scheme is known and the rest does not fit it.
    #[error("malformed Authorization header")]
    Malformed,
}

/// Longest header in bytes that is looked at.
const MAX_HEADER: usize = 8 << 10;

impl Authorization {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    ///
    /// [`AuthorizationError`].
    pub(crate) fn parse(header: &[u8]) -> Result<Self, AuthorizationError> {
        if header.len() > MAX_HEADER {
            return Err(AuthorizationError::Malformed);
        }
        let (scheme, rest) = word(header);
        if scheme.eq_ignore_ascii_case(b"basic") {
            return basic(rest);
        }
        if scheme.eq_ignore_ascii_case(b"x-conversation") {
            return conversation(rest);
        }
        Err(AuthorizationError::NotSupported)
    }
}

fn basic(rest: &[u8]) -> Result<Authorization, AuthorizationError> {
    let decoded = decoded(rest)?;
    // Cockpit allows known_hosts lines behind a zero byte, for logins at another host, which we do not have.
    let credentials = decoded.split(|&byte| byte == 0).next().unwrap_or_default();
    let at = credentials.iter().position(|&byte| byte == b':');
    let (user, password) = at
        .and_then(|at| Some((credentials.get(..at)?, credentials.get(at + 1..)?)))
        .ok_or(AuthorizationError::Malformed)?;
    let user = std::str::from_utf8(user).map_err(|_| AuthorizationError::Malformed)?;
    if user.is_empty() {
        return Err(AuthorizationError::Malformed);
    }
    Ok(Authorization::Basic { user: user.to_owned(), password: Secret::new(password.to_vec()) })
}

fn conversation(rest: &[u8]) -> Result<Authorization, AuthorizationError> {
    let (id, answer) = word(rest);
    let id = ConversationId::parse(id).ok_or(AuthorizationError::Malformed)?;
    let answer = decoded(answer)?;
    Ok(Authorization::Conversation { id, answer: Secret::new(answer.to_vec()) })
}

/// The first word and what follows it, without the spaces between.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    match text.iter().position(|&byte| byte == b' ') {
        Some(at) => {
            let (word, rest) = text.split_at_checked(at).unwrap_or((text, b""));
            (word, rest.trim_ascii_start())
        }
        None => (text, b""),
    }
}

fn decoded(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthorizationError> {
    // The buffer is large enough from the start, so that no part of a password is left behind in a smaller one.
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = STANDARD
        .decode_slice(text, &mut bytes)
        .map_err(|_| AuthorizationError::Malformed)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn basic(credentials: &[u8]) -> Result<Authorization, AuthorizationError> {
        Authorization::parse(format!("Basic {}", STANDARD.encode(credentials)).as_bytes())
    }

    #[test]
    fn a_password_may_hold_colons_and_spaces() {
        let Ok(Authorization::Basic { user, password }) = basic(b"ada:a:b c ") else { panic!() };
        assert_eq!(user, "ada");
        assert_eq!(password.expose(), b"a:b c ");
    }

    #[test]
    fn known_hosts_behind_a_zero_byte_are_not_part_of_the_password() {
        let Ok(Authorization::Basic { password, .. }) = basic(b"ada:foo\0host key") else {
            panic!()
        };
        assert_eq!(password.expose(), b"foo");
    }

    #[test]
    fn schemes_are_told_apart_whatever_their_case() {
        assert!(Authorization::parse(b"bAsIc  YTpi ").is_ok());
        for scheme in ["tls-cert", "Negotiate YTpi", "Bearer x", "", "Basic2 YTpi"] {
            let refused = Authorization::parse(scheme.as_bytes()).unwrap_err();
            assert_eq!(refused, AuthorizationError::NotSupported, "{scheme}");
        }
    }

    #[test]
    fn what_does_not_fit_its_scheme_is_malformed() {
        for header in [
            "Basic",
            "Basic !!!!",
            "Basic YQ==",
            "Basic OmI=",
            "Basic YTpi YTpi",
            "X-Conversation",
            "X-Conversation x eA==",
        ] {
            let refused = Authorization::parse(header.as_bytes()).unwrap_err();
            assert_eq!(refused, AuthorizationError::Malformed, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_user_and_password_come_through(
            user in "[^:\0]{1,20}",
            password in prop::collection::vec(1_u8.., 0..40),
        ) {
            let credentials = [user.as_bytes(), b":", &password].concat();
            let Ok(Authorization::Basic { user: seen, password: seen_password }) = basic(&credentials)
            else { return Err(TestCaseError::fail("refused")) };
            prop_assert_eq!(seen, user);
            prop_assert_eq!(seen_password.expose(), &password[..]);
        }

        #[test]
        fn received_bytes_never_panic(
            scheme in prop::sample::select(vec!["Basic ", "X-Conversation ", ""]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _refused_or_not = Authorization::parse(&[scheme.as_bytes(), &bytes].concat());
        }
    }
}
