//! Who may ask: the checks of Host, Origin and `Sec-Fetch-Site` that stand before every handler.
//!
//! A check that passed leaves a value: [`AcceptedHost`] and [`OwnOrigin`] can be made only here, and a handler that
//! needs one takes it as its argument. Called by `routes` once for each request. Never here: cookies and tokens
//! (`sessions`), and any URL made from `Host` beside the redirect to HTTPS. Rules: T1, T2, T9.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::request::Parts;

use crate::config::{Config, Origins};

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

/// Whom limits are counted for: an IPv4 address, or the /64 that one IPv6 subscriber has (T16, T34).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
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
pub(crate) struct AcceptedHost(Authority);

impl AcceptedHost {
    /// The one address that is built from `Host`: this server's own, over HTTPS, with the port that was used.
    pub(crate) fn https_address(&self, path_and_query: &str) -> String {
        let port = self
            .0
            .port
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        match &self.0.host {
            Host::Address(IpAddr::V6(address)) => {
                format!("https://[{address}]{port}{path_and_query}")
            }
            Host::Address(IpAddr::V4(address)) => {
                format!("https://{address}{port}{path_and_query}")
            }
            Host::Name(name) => format!("https://{}{port}{path_and_query}", name.as_str()),
        }
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

/// The host of an authority: an address or a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Address(IpAddr),
    Name(HostName),
}

/// `HOST[:PORT]` (RFC 3986, 3.2) without user information and zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            (Host::Address(address.parse::<Ipv6Addr>().ok()?.into()), port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let address = host
                .parse::<Ipv4Addr>()
                .ok()
                .map(|address| Host::Address(address.into()));
            (address.or_else(|| HostName::parse(host).map(Host::Name))?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some(digits)
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(digits.parse::<u16>().ok().filter(|port| *port != 0)?)
            }
            None | Some(_) => return None,
        };
        Some(Self { host, port })
    }
}

/// An origin of the web: scheme, host and port (RFC 6454), the scheme's own port written out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    scheme: &'static str,
    host: Host,
    port: u16,
}

impl Origin {
    /// Takes a value of the header `Origin`: nothing but scheme, host and port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = ["https", "http"]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known))?;
        Authority::parse(authority).map(|authority| Self::of(scheme, authority))
    }

    fn of(scheme: &'static str, authority: Authority) -> Self {
        let port = authority
            .port
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        Self { scheme, host: authority.host, port }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scheme, port, .. } = self;
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{port}"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{scheme}://{address}:{port}"),
            Host::Name(name) => write!(f, "{scheme}://{}:{port}", name.as_str()),
        }
    }
}

/// The names and origins that are ours.
#[derive(Debug)]
pub(crate) struct Admission {
    names: HashSet<String>,
    origins: Origins,
}

impl Admission {
    /// From the settings and the machine's own names.
    pub(crate) fn new(config: &Config) -> Self {
        let own = certs::Names::of_this_machine().dns;
        let names = own
            .into_iter()
            .chain(config.host_names.iter().cloned())
            .collect();
        Self { names, origins: config.origins.clone() }
    }

    /// T9: any address, `localhost`, and our names; an address cannot be rebound.
    ///
    /// # Errors
    ///
    /// The name under which the browser addressed us, as it wrote it; may be empty.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Result<AcceptedHost, String> {
        let text = single(headers, &header::HOST).unwrap_or_default();
        let Some(authority) = Authority::parse(text) else {
            return Err(text.to_owned());
        };
        match &authority.host {
            Host::Address(_) => Ok(AcceptedHost(authority)),
            Host::Name(name) if self.names.contains(name.as_str()) => Ok(AcceptedHost(authority)),
            Host::Name(name) => Err(name.as_str().to_owned()),
        }
    }

    /// T1, T2: the request has an `Origin`, and it is ours or a configured one.
    pub(crate) fn own_origin(
        &self,
        headers: &HeaderMap,
        host: &AcceptedHost,
        transport: Transport,
    ) -> Option<OwnOrigin> {
        let sent = single(headers, &header::ORIGIN)?;
        let proof = OwnOrigin(());
        if self.origins == Origins::Any {
            return Some(proof);
        }
        let origin = Origin::parse(sent)?;
        if origin == Origin::of(transport.scheme(), host.0.clone()) {
            return is_same_site(headers).then_some(proof);
        }
        match &self.origins {
            Origins::Any => Some(proof),
            Origins::Listed(listed) => listed.contains(&origin.to_string()).then_some(proof),
        }
    }
}

/// T1: where the browser says which site a request comes from, it is this one, or the user's own hand.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.all(|site| site == "same-origin" || site == "none")
}

/// The value of a header that stands exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None | Some(_), _) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(origins: Origins) -> Admission {
        let names = ["admin1.lan", "admin1", "localhost"].map(str::to_owned);
        Admission { names: names.into_iter().collect(), origins }
    }

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn any_address_and_our_names_are_accepted_on_any_port() {
        let ours = admission(Origins::Listed(vec![]));
        for host in [
            "admin1",
            "ADMIN1.lan:9090",
            "admin1.lan.",
            "localhost:1",
            "10.0.0.1",
            "[::1]:9090",
            "192.0.2.7:65535",
        ] {
            assert!(ours.host(&headers(&[("host", host)])).is_ok(), "{host}");
        }
    }

    #[test]
    fn foreign_and_malformed_hosts_are_refused() {
        let ours = admission(Origins::Listed(vec![]));
        for host in [
            "evil.example",
            "admin1.lan.evil.example",
            "evil-admin1",
            "127.1",
            "0x7f.0.0.1",
            "a@admin1",
            "admin1:",
            "admin1:0",
            "admin1:99999",
            "admin1:9090:1",
            "[::1",
            "[::1%eth0]",
            "::1",
            "[127.0.0.1]",
            "admin1/",
            "",
        ] {
            assert!(ours.host(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(
            ours.host(&headers(&[("host", "admin1"), ("host", "admin1")]))
                .is_err()
        );
    }

    #[test]
    fn only_our_own_origin_may_change_anything() {
        let ours = admission(Origins::Listed(vec![]));
        let host = ours.host(&headers(&[("host", "admin1.lan:9090")])).unwrap();
        let admitted = |origin: &str| {
            ours.own_origin(&headers(&[("origin", origin)]), &host, Transport::Tls)
                .is_some()
        };

        assert!(admitted("https://admin1.lan:9090"));
        for origin in [
            "null",
            "",
            "*",
            "http://admin1.lan:9090",
            "https://admin1.lan",
            "https://admin1.lan:9091",
            "https://admin1.lan:9090.evil.example",
            "https://evil.example/https://admin1.lan:9090",
            "https://admin1.lan:9090@evil.example",
            "https://evil.example#admin1.lan:9090",
            "https://admin1.lan:9090/",
            "https://xadmin1.lan:9090",
            "wss://admin1.lan:9090",
            "https://admin1:9090",
        ] {
            assert!(!admitted(origin), "{origin}");
        }
        assert!(
            ours.own_origin(&headers(&[]), &host, Transport::Tls)
                .is_none()
        );
    }

    #[test]
    fn our_own_origin_is_not_believed_against_the_browsers_word() {
        let ours = admission(Origins::Listed(vec![]));
        let host = ours.host(&headers(&[("host", "admin1")])).unwrap();
        let sent = |site: &str| headers(&[("origin", "https://admin1"), ("sec-fetch-site", site)]);

        assert!(
            ours.own_origin(&sent("same-origin"), &host, Transport::Tls)
                .is_some()
        );
        assert!(
            ours.own_origin(&sent("cross-site"), &host, Transport::Tls)
                .is_none()
        );
        assert!(
            ours.own_origin(&sent("same-site"), &host, Transport::Tls)
                .is_none()
        );
    }

    #[test]
    fn a_configured_origin_is_accepted_whole_or_not_at_all() {
        let listed = Origin::parse("https://Fleet.Example").unwrap().to_string();
        let ours = admission(Origins::Listed(vec![listed]));
        let host = ours.host(&headers(&[("host", "admin1")])).unwrap();
        let admitted = |origin: &str| {
            ours.own_origin(&headers(&[("origin", origin)]), &host, Transport::Tls)
                .is_some()
        };

        assert!(admitted("https://fleet.example"));
        assert!(!admitted("https://fleet.example:444"));
        assert!(!admitted("https://sub.fleet.example"));
    }

    #[test]
    fn applications_have_plain_names() {
        assert_eq!(Application::parse("cockpit+app-1.x").unwrap().as_str(), "app-1.x");
        for segment in ["cockpit+", "cockpit+=host", "cockpitx", "cockpit+a b", "cockpit+a/b", "x"]
        {
            assert_eq!(Application::parse(segment), None, "{segment}");
        }
    }
}
