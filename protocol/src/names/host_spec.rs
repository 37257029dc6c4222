//! How a machine is named by people, pages and settings: `[user@]host[:port]`.
//!
//! One parser for every place that takes such a name, so that nothing that could be an option, a shell word or a control
//! character to somebody further on ever becomes a name (security rule T20). Nothing is resolved or connected to here.
//! What is accepted prints as text that parses to the same value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// Longest text that is looked at, in bytes: more than any accepted name in its A-label form, and room for one that gets
/// shorter by IDNA.
const MAX_TEXT: usize = 1024;
/// Longest DNS name in bytes, without the final dot (RFC 1035 section 2.3.4).
const MAX_DNS_NAME: usize = 253;
/// Longest label of a DNS name in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// Longest user name in bytes, a final `$` not counted.
const MAX_USER_NAME: usize = 64;

/// A machine as somebody named it: `[user@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostSpec {
    user: Option<UserName>,
    host: HostName,
    port: Option<Port>,
}

/// The name of a machine without user and port: an address, or a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostName {
    /// An IP address.
    Address(IpAddr),
    /// A DNS name.
    Dns(DnsName),
}

/// A DNS name in lower case, its international labels as A-labels; at most 253 bytes, no final dot.
///
/// Labels are letters, digits, `-` and `_`; the name begins with a letter or digit, and its last label is not a number, so
/// that no resolver takes it for an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

/// The name of an account on a machine: letters, digits and `._@\-`, perhaps a final `$`; does not begin with `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

/// A TCP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(NonZeroU16);

/// Why a name is refused. Says what is wrong without repeating what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostSpecError {
    /// The text is longer than any name.
    #[error("the name is too long")]
    TooLong,
    /// What stands before the `@` is no user name.
    #[error("the user name has a character that is not allowed, or no or too many characters")]
    User,
    /// What stands between user and port is neither an address nor a DNS name.
    #[error("the host is neither an IP address nor a DNS name")]
    Host,
    /// What stands behind the last `:` is no port.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl HostSpec {
    /// The machine `host`, no user and no port named.
    pub fn new(host: HostName) -> Self {
        Self { user: None, host, port: None }
    }

    /// Takes `text` apart.
    ///
    /// An IPv6 address with a port stands in brackets; without a port it may stand alone if it begins with a digit or
    /// letter. The user ends at the last `@`.
    ///
    /// # Errors
    ///
    /// [`HostSpecError`], always the fault of who gave the name; on the wire it is `not-supported`.
    pub fn parse(text: &str) -> Result<Self, HostSpecError> {
        if text.len() > MAX_TEXT {
            return Err(HostSpecError::TooLong);
        }
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(UserName::parse(user)?), place),
            None => (None, text),
        };
        let (host, port) = host_and_port(place)?;
        Ok(Self { user, host, port })
    }

    /// The account, if one was named.
    pub fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// The machine without user and port.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The port, if one was named.
    pub fn port(&self) -> Option<Port> {
        self.port
    }

    /// The port to connect to by SSH: the one that was named, else 22.
    pub fn ssh_port(&self) -> Port {
        self.port.unwrap_or(Port::SSH)
    }

    /// The same with this account, or with none.
    #[must_use]
    pub fn with_user(self, user: Option<UserName>) -> Self {
        Self { user, ..self }
    }

    /// The same with this port, or with none.
    #[must_use]
    pub fn with_port(self, port: Option<Port>) -> Self {
        Self { port, ..self }
    }
}

fn host_and_port(place: &str) -> Result<(HostName, Option<Port>), HostSpecError> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(HostSpecError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| HostSpecError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(Port::parse(port)?),
            None if rest.is_empty() => None,
            None => return Err(HostSpecError::Host),
        };
        return Ok((HostName::Address(address.into()), port));
    }
    match place.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((lone_ipv6(place)?, None)),
        Some((host, port)) => Ok((HostName::parse(host)?, Some(Port::parse(port)?))),
        None => Ok((HostName::parse(place)?, None)),
    }
}

/// An IPv6 address without brackets; one that begins with `:` wants them.
fn lone_ipv6(text: &str) -> Result<HostName, HostSpecError> {
    if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(HostSpecError::Host);
    }
    text.parse()
        .map(|address: Ipv6Addr| HostName::Address(address.into()))
        .map_err(|_| HostSpecError::Host)
}

impl HostName {
    /// Takes an IPv4 address or a DNS name, or an IPv6 address that begins with a digit or letter.
    ///
    /// # Errors
    ///
    /// [`HostSpecError::Host`] if it is none of them.
    pub fn parse(text: &str) -> Result<Self, HostSpecError> {
        if text.len() > MAX_TEXT {
            return Err(HostSpecError::TooLong);
        }
        if text.contains(':') {
            return lone_ipv6(text);
        }
        let ascii = to_ascii(text)?;
        match ascii.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Self::Address(address.into())),
            Err(_) if is_dns_name(&ascii) => Ok(Self::Dns(DnsName(ascii))),
            Err(_) => Err(HostSpecError::Host),
        }
    }

    /// The address, if the machine is named by one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Dns(_) => None,
        }
    }
}

/// Lower case, with A-labels for what is not ASCII (UTS 46). Letters that are ASCII already take no table.
fn to_ascii(text: &str) -> Result<String, HostSpecError> {
    let lower = text.to_ascii_lowercase();
    if lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--")) {
        return Ok(lower);
    }
    idna::domain_to_ascii(&lower).map_err(|_| HostSpecError::Host)
}

/// Whether lower-case `name` is what [`DnsName`] promises.
fn is_dns_name(name: &str) -> bool {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_DNS_NAME && begins_well && name.split('.').all(is_label) && !is_number(last)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether resolvers read a label as a number, `0x7f` included: `127.1` and `0177.0.0.1` are addresses to them.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => label.bytes().all(|digit| digit.is_ascii_digit()),
    }
}

impl DnsName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// Checks `text` and takes it as a user name.
    ///
    /// # Errors
    ///
    /// [`HostSpecError::User`] if it is none.
    pub fn parse(text: &str) -> Result<Self, HostSpecError> {
        let stem = text.strip_suffix('$').unwrap_or(text);
        let first = stem.bytes().next().ok_or(HostSpecError::User)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@\\-".contains(&byte);
        if stem.len() <= MAX_USER_NAME
            && (first.is_ascii_alphanumeric() || first == b'_')
            && stem.bytes().all(allowed)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(HostSpecError::User)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Port {
    /// Where SSH listens unless told otherwise (RFC 4253 section 4.1).
    pub const SSH: Self = Self(NonZeroU16::new(22).unwrap());

    /// Takes a decimal number without sign and without zeros before it.
    ///
    /// # Errors
    ///
    /// [`HostSpecError::Port`] if it is no number from 1 to 65535.
    pub fn parse(text: &str) -> Result<Self, HostSpecError> {
        if text.starts_with('0') || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(HostSpecError::Port);
        }
        text.parse().map(Self).map_err(|_| HostSpecError::Port)
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

impl From<NonZeroU16> for Port {
    fn from(number: NonZeroU16) -> Self {
        Self(number)
    }
}

impl FromStr for HostSpec {
    type Err = HostSpecError;

    fn from_str(text: &str) -> Result<Self, HostSpecError> {
        Self::parse(text)
    }
}

impl FromStr for UserName {
    type Err = HostSpecError;

    fn from_str(text: &str) -> Result<Self, HostSpecError> {
        Self::parse(text)
    }
}

impl std::fmt::Display for HostSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match &self.host {
            HostName::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            host @ (HostName::Address(IpAddr::V4(_)) | HostName::Dns(_)) => write!(f, "{host}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The name as a resolver takes it: no brackets around an IPv6 address.
impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Dns(name) => f.write_str(name.as_str()),
        }
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl serde::Serialize for HostSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for HostSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> Result<String, HostSpecError> {
        HostSpec::parse(text).map(|spec| spec.to_string())
    }

    #[test]
    fn a_name_has_perhaps_a_user_and_perhaps_a_port() {
        let spec = HostSpec::parse(r"EXAMPLE\ada@corp@Web1.example.org:2222").unwrap();

        assert_eq!(spec.user().map(UserName::as_str), Some(r"EXAMPLE\ada@corp"));
        assert_eq!(spec.host().to_string(), "web1.example.org");
        assert_eq!(spec.port().map(Port::number), Some(2222));

        let bare = HostSpec::parse("web1").unwrap();
        assert_eq!((bare.user(), bare.port(), bare.ssh_port()), (None, None, Port::SSH));
        assert_eq!(bare.with_port(Some(Port::parse("2").unwrap())).to_string(), "web1:2");
    }

    #[test]
    fn addresses_print_the_one_way_that_parses_back() {
        assert_eq!(printed("[2001:DB8:0::1]:22").unwrap(), "[2001:db8::1]:22");
        assert_eq!(printed("2001:db8::1").unwrap(), "[2001:db8::1]");
        assert_eq!(printed("root@[::1]").unwrap(), "root@[::1]");
        assert_eq!(printed("10.0.0.1:1").unwrap(), "10.0.0.1:1");
        assert_eq!(HostSpec::parse("[::1]").unwrap().host().to_string(), "::1");
    }

    #[test]
    fn international_names_become_a_labels() {
        assert_eq!(printed("Bücher.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(printed("xn--bcher-kva.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(printed("１０.0.0.1").unwrap(), "10.0.0.1");
        assert_eq!(printed("xn--a").unwrap_err(), HostSpecError::Host);
    }

    /// CVE-2026-4631, CVE-2023-51385, CVE-2025-61984: what others took as options or shell words.
    #[test]
    fn options_shell_words_and_controls_are_no_names() {
        for host in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a/b",
            "$(id)",
            "`id`",
            "a;b",
            "a|b",
            "a&b",
            "a\0b",
            "a\nb",
            "'a'",
            "a\"",
            "%h",
            "[::1",
            "[::1]x",
            "[10.0.0.1]",
            "::1",
            "fe80::1%eth0",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "a.-b",
            "_a",
            "1.2.3",
            "0x7f.1",
            "127.1",
            "2130706433",
            "010.0.0.1",
            "256.0.0.1",
            "a\u{202e}b",
        ] {
            assert!(HostSpec::parse(host).is_err(), "{host:?} was accepted");
        }
        for user in ["", "-l", "a b", "$(id)", "a\n", "a;b", "$", "a$b", "ä", "a:b"] {
            let text = format!("{user}@web1");
            assert_eq!(HostSpec::parse(&text), Err(HostSpecError::User), "{text:?}");
        }
        for port in ["", "0", "65536", "+1", "-1", "1a", " 1", "022"] {
            let text = format!("web1:{port}");
            assert_eq!(HostSpec::parse(&text), Err(HostSpecError::Port), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(printed(&longest).unwrap(), longest);
        assert_eq!(printed(&format!("{longest}a")), Err(HostSpecError::Host));
        assert_eq!(printed(&format!("{label}a")), Err(HostSpecError::Host));

        let user = "u".repeat(64);
        assert!(UserName::parse(&format!("{user}$")).is_ok());
        assert!(UserName::parse(&format!("{user}u")).is_err());
        assert_eq!(printed(&"a".repeat(MAX_TEXT + 1)), Err(HostSpecError::TooLong));
    }

    /// What T20 promises of every name that is accepted.
    fn keeps_the_promise(text: &str) {
        let Ok(spec) = HostSpec::parse(text) else { return };
        let printed = spec.to_string();
        let host = spec.host().to_string();

        assert_eq!(HostSpec::parse(&printed).as_ref(), Ok(&spec), "{text:?} printed {printed:?}");
        assert!(
            host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == ':'),
            "{host:?}"
        );
        assert!(printed.is_ascii(), "{printed:?}");
        let forbidden = |c: char| c.is_control() || " /'\"$%;|&<>()`\\".contains(c);
        assert!(!host.contains(forbidden), "{host:?}");
        assert!(!printed.starts_with('-'), "{printed:?}");
    }

    proptest! {
        #[test]
        fn any_text_prints_as_it_parses(text in any::<String>()) {
            keeps_the_promise(&text);
        }

        #[test]
        fn any_bytes_print_as_they_parse(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            keeps_the_promise(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn what_looks_like_a_name_prints_as_it_parses(
            user in r"([a-z_\\.$-]{1,6}@)?", host in r"[a-zA-Z0-9äßж。.:\[\]_x-]{1,20}", port in r"(:[0-9]{1,6})?",
        ) {
            keeps_the_promise(&format!("{user}{host}{port}"));
        }

        #[test]
        fn names_by_the_rule_are_accepted(
            user in "[a-z_A-Z0-9][a-zA-Z0-9._@\\\\-]{0,63}\\$?",
            host in "[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9_])?(\\.[a-z]([a-z0-9-]{0,20}[a-z0-9])?){1,3}",
            port in 1..=u16::MAX,
        ) {
            prop_assume!(!host.split('.').any(|label| label.starts_with("xn--")));
            let text = format!("{user}@{host}:{port}");
            prop_assert_eq!(HostSpec::parse(&text).map(|spec| spec.to_string()), Ok(text));
        }
    }
}
