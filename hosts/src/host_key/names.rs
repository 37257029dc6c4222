//! Whom a line of `known_hosts` names: patterns with wildcards and negation, or one hashed name.
//!
//! As sshd(8) describes it under "`SSH_KNOWN_HOSTS` FILE FORMAT". Names are compared in lower case. Callers: `line`, `edit`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::names::{HostSpec, Port};
use sha1::Sha1;

/// What a hashed name begins with; `1` is HMAC-SHA1.
const HASHED: &str = "|1|";
/// Length of salt and digest of a hashed name, in bytes.
pub(super) const DIGEST: usize = 20;

/// The first field of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// One name that only who knows it can find.
    Hashed { salt: [u8; DIGEST], digest: [u8; DIGEST] },
    /// Patterns with commas between them, as they stand in the file.
    Patterns(String),
}

/// How a line names a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// By a pattern that also names others.
    ByPattern,
    /// By its name.
    Exactly,
}

/// The name under which a host is looked up, as ssh(1) makes it: `web1`, or `[web1]:2222`.
pub(super) fn known_as(host: &HostSpec) -> String {
    match host.port() {
        Some(port) if port != Port::SSH => format!("[{}]:{port}", host.host()),
        Some(_) | None => host.host().to_string(),
    }
}

impl Names {
    /// Takes the field; `None` if nobody can say whom it names.
    pub(super) fn parse(field: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(field).ok()?;
        if text.is_empty() || text.contains(char::is_control) {
            return None;
        }
        if !text.starts_with('|') {
            return Some(Self::Patterns(text.to_owned()));
        }
        let (salt, digest) = text.strip_prefix(HASHED)?.split_once('|')?;
        let decode = |base64: &str| STANDARD.decode(base64).ok()?.try_into().ok();
        Some(Self::Hashed { salt: decode(salt)?, digest: decode(digest)? })
    }

    /// `name`, so that only who knows it finds it. `salt` is random.
    pub(super) fn hashed(name: &str, salt: [u8; DIGEST]) -> Self {
        Self::Hashed { salt, digest: digest(&salt, name) }
    }

    /// How this names `name`, if it does.
    pub(super) fn naming(&self, name: &str) -> Option<Naming> {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Hashed { salt, digest: stored } => {
                (digest(salt, &name) == *stored).then_some(Naming::Exactly)
            }
            Self::Patterns(patterns) => naming_by_patterns(patterns, &name),
        }
    }
}

/// A pattern behind `!` that fits takes the host out, wherever it stands.
fn naming_by_patterns(patterns: &str, name: &str) -> Option<Naming> {
    let mut found = None;
    for pattern in patterns.split(',') {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(negated) if fits(negated, name) => return None,
            None if pattern == name => found = Some(Naming::Exactly),
            None if fits(&pattern, name) => found = found.or(Some(Naming::ByPattern)),
            Some(_) | None => {}
        }
    }
    found
}

/// Whether `pattern`, with `*` for any text and `?` for one byte, is `name`.
///
/// Takes at most `pattern` times `name` steps: after a mismatch only the last `*` is tried again.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at_pattern, mut at_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(at_name) {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                star = Some((at_pattern, at_name));
                at_pattern += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                at_pattern += 1;
                at_name += 1;
            }
            Some(_) | None => {
                let Some((last, from)) = star else { return false };
                star = Some((last, from + 1));
                at_pattern = last + 1;
                at_name = from + 1;
            }
        }
    }
    pattern
        .get(at_pattern..)
        .is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// HMAC-SHA1 of `name`. The key of an HMAC is filled up with zeros to a block (RFC 2104 section 2).
fn digest(salt: &[u8; DIGEST], name: &str) -> [u8; DIGEST] {
    let block: [u8; 64] = std::array::from_fn(|at| salt.get(at).copied().unwrap_or_default());
    let mut hmac = Hmac::<Sha1>::new(&block.into());
    hmac.update(name.as_bytes());
    hmac.finalize().into_bytes().into()
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hashed { salt, digest } => {
                write!(f, "{HASHED}{}|{}", STANDARD.encode(salt), STANDARD.encode(digest))
            }
            Self::Patterns(patterns) => f.write_str(patterns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(field: &str, name: &str) -> Option<Naming> {
        Names::parse(field.as_bytes()).unwrap().naming(name)
    }

    #[test]
    fn a_pattern_has_stars_and_question_marks() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "web1"),
            ("web?", "web1"),
            ("w*1", "web1"),
            ("*.example.org", "a.b.example.org"),
            ("**a*", "xxa"),
            ("[web1]:*", "[web1]:2222"),
            ("10.0.?.*", "10.0.3.17"),
        ] {
            assert!(fits(pattern, name), "{pattern} should fit {name}");
        }
        for (pattern, name) in [
            ("?", ""),
            ("web?", "web"),
            ("web", "web1"),
            ("*1", "web2"),
            ("", "a"),
            ("web1*", "[web1]:2"),
        ] {
            assert!(!fits(pattern, name), "{pattern} should not fit {name}");
        }
        assert!(!fits(&"*a".repeat(500), &"a".repeat(400)), "and it takes no time");
    }

    #[test]
    fn a_negated_pattern_takes_the_host_out_wherever_it_stands() {
        assert_eq!(naming("*.org,!web1.org", "web1.org"), None);
        assert_eq!(naming("!web1.org,web1.org", "web1.org"), None);
        assert_eq!(naming("*.org,!web1.org", "web2.org"), Some(Naming::ByPattern));
        assert_eq!(naming("!web1.org", "web2.org"), None);
        assert_eq!(naming("*,WEB1", "web1"), Some(Naming::Exactly));
    }

    #[test]
    fn a_hashed_name_is_found_by_who_knows_it() {
        let salt = [7; DIGEST];
        let hashed = Names::hashed("[web1]:2222", salt);
        let again = Names::parse(hashed.to_string().as_bytes()).unwrap();

        assert_eq!(again, hashed);
        assert_eq!(again.naming("[Web1]:2222"), Some(Naming::Exactly));
        assert_eq!(again.naming("web1"), None);
    }

    #[test]
    fn fields_that_name_nobody_are_told_from_those_that_name_somebody_else() {
        for field in ["|1|short|short", "|2|x|y", "|", "we\0b", "web\u{7f}1", ""] {
            assert_eq!(Names::parse(field.as_bytes()), None, "{field:?}");
        }
        assert_eq!(Names::parse(b"web\xff"), None);
    }
}
