//! The content security policy of a package's pages.
//!
//! Cockpit's default, merged with what the manifest says; a package in a home directory loosens nothing (T6). Whether
//! a package may turn text into scripts is the server's to decide, which sends the header. Source: CSP Level 3.
//! Caller: `packages::answer`.

use super::manifest::{Origin, Package};

/// The policy, and what the manifest asked for in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) header: String,
    pub(super) refused: bool,
}

/// The policy for `package`, on a page that was asked for at `address`: scheme and host, if the server named them.
pub(super) fn policy(package: &Package, address: Option<(&str, &str)>) -> Policy {
    let mut directives: Vec<(String, String)> = [
        ("default-src", "'self'".to_owned()),
        ("connect-src", connect(address)),
        ("form-action", "'self'".to_owned()),
        ("base-uri", "'self'".to_owned()),
        ("object-src", "'none'".to_owned()),
        ("font-src", "'self' data:".to_owned()),
        ("img-src", "'self' data:".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();

    let wanted = package
        .manifest
        .get("content-security-policy")
        .and_then(serde_json::Value::as_str)
        .filter(|wanted| !wanted.contains(['\r', '\n', ',']))
        .unwrap_or_default();
    let refused = package.origin == Origin::Home && !wanted.trim().is_empty();
    if package.origin == Origin::System {
        for directive in wanted.split(';') {
            let (name, value) = directive
                .trim()
                .split_once(' ')
                .unwrap_or((directive.trim(), ""));
            set(&mut directives, &name.to_ascii_lowercase(), value.trim(), address);
        }
    }
    let mut header = String::new();
    for (name, value) in &directives {
        header.push_str(name);
        if !value.is_empty() {
            header.push(' ');
            header.push_str(value);
        }
        header.push_str("; ");
    }
    header.push_str("block-all-mixed-content");
    Policy { header, refused }
}

/// `'self'` does not mean the WebSocket of the same host in every browser.
fn connect(address: Option<(&str, &str)>) -> String {
    let is_host = |host: &str| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
    };
    match address {
        Some(("https", host)) if is_host(host) => format!("'self' wss://{host}"),
        Some((_, host)) if is_host(host) => format!("'self' ws://{host}"),
        Some(_) | None => "'self'".to_owned(),
    }
}

fn set(
    directives: &mut Vec<(String, String)>,
    name: &str,
    value: &str,
    address: Option<(&str, &str)>,
) {
    if name.is_empty() || name == "block-all-mixed-content" {
        return;
    }
    let value = match name {
        // The link to the bridge is always allowed, or the page could do nothing.
        "connect-src" if value != "'none'" => format!("{value} {}", connect(address)),
        "connect-src" => connect(address),
        _ => value.to_owned(),
    };
    match directives.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => directives.push((name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(wanted: &str, origin: Origin) -> Policy {
        let manifest = json!({"content-security-policy": wanted});
        let package = Package {
            name: "x".into(),
            path: "/x".into(),
            manifest: manifest.as_object().unwrap().clone(),
            priority: 1.0,
            origin,
        };
        policy(&package, Some(("https", "host:9090")))
    }

    #[test]
    fn the_default_is_cockpits() {
        let policy = made("", Origin::System);
        assert_eq!(
            policy.header,
            "default-src 'self'; connect-src 'self' wss://host:9090; form-action 'self'; \
             base-uri 'self'; object-src 'none'; font-src 'self' data:; img-src 'self' data:; \
             block-all-mixed-content"
        );
        assert!(!policy.refused);
    }

    #[test]
    fn a_manifest_replaces_directives() {
        let policy = made("style-src 'self' 'unsafe-inline'; img-src *", Origin::System);
        assert!(policy.header.contains("style-src 'self' 'unsafe-inline';"));
        assert!(policy.header.contains("img-src *;"));
        assert!(!policy.refused);
    }

    #[test]
    fn a_package_at_home_loosens_nothing_and_no_header_is_split() {
        let policy = made("img-src *", Origin::Home);
        assert!(policy.refused && !policy.header.contains('*'));
        let policy = made("img-src *\r\nX-Evil: 1", Origin::System);
        assert!(!policy.header.contains("Evil"));
        assert_eq!(connect(Some(("https", "a; script-src *"))), "'self'");
    }
}
