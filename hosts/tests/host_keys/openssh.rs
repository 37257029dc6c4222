//! The same files before OpenSSH's own programs: `ssh-keygen` and the `ssh` client, which these tests need installed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hosts::host_key::{HostKeyStore as _, KnownHostsFile, Marker, Presented, Removal};
use proptest::prelude::*;
use russh::keys::ssh_key::{Certificate, LineEnding, PrivateKey};
use russh::server::Config;

use crate::places::{Places, RSA, host, key, note, private_key, word};

#[expect(clippy::disallowed_methods, reason = "OpenSSH's own programs are what is compared with")]
fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} (package openssh-client): {error}"))
}

/// What `ssh-keygen -F` finds for `name`: line, marker, fingerprint.
fn keygen_finds(file: &Path, name: &str) -> Vec<(usize, Marker, String)> {
    let file = file.to_str().unwrap();
    let output = run("ssh-keygen", &["-l", "-F", name, "-f", file]);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = Vec::new();
    let mut head = None;
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once(" found: line ") {
            let mut words = rest.split_whitespace();
            let number = words.next().unwrap().parse().unwrap();
            let marker = match words.next() {
                None => Marker::None,
                Some("CA") => Marker::Authority,
                Some("REVOKED") => Marker::Revoked,
                Some(other) => panic!("{other}"),
            };
            head = Some((number, marker));
        } else if let Some((number, marker)) = head.take() {
            let fingerprint = line
                .split_whitespace()
                .find(|word| word.starts_with("SHA256:"));
            found.push((number, marker, fingerprint.unwrap().to_owned()));
        }
    }
    found
}

/// What we find, in the same form.
fn we_find(file: &Path, name: &str) -> Vec<(usize, Marker, String)> {
    let found = KnownHostsFile::own(file).find(&host(name)).unwrap();
    let full = found
        .entries
        .iter()
        .filter(|entry| entry.form == hosts::host_key::NameForm::Full);
    full.map(|entry| (entry.place.line.unwrap(), entry.marker, entry.key.fingerprint().to_string()))
        .collect()
}

fn pattern() -> impl Strategy<Value = String> {
    let word = "[ab*?]{1,3}(\\.[ab*]{1,2})?";
    let place = prop_oneof![
        4 => word.prop_map(String::from),
        1 => word.prop_map(|name| format!("[{name}]:22")),
        2 => word.prop_map(|name| format!("[{name}]:2222")),
        1 => "10\\.0\\.0\\.[12*]".prop_map(String::from),
    ];
    (place, prop::bool::weighted(0.15), any::<bool>()).prop_map(|(place, negated, upper)| {
        let place = if upper { place.to_uppercase() } else { place };
        if negated { format!("!{place}") } else { place }
    })
}

/// Behind a marker stands a space: OpenSSH 9.2 does not know one with a tab behind it if a space follows anywhere. We do.
fn line() -> impl Strategy<Value = String> {
    let names = prop::collection::vec(pattern(), 1..4).prop_map(|names| names.join(","));
    let marker = prop_oneof![
        6 => Just(""),
        1 => Just("@revoked "),
        1 => Just("@cert-authority "),
        1 => Just("@other "),
    ];
    let blank = prop_oneof![Just(" "), Just("\t"), Just("  \t ")];
    let rest = prop_oneof![
        6 => (1_u8..4).prop_map(|seed| key(seed).to_string()),
        1 => Just(RSA.to_owned()),
        1 => Just("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5".to_owned()),
        1 => (1_u8..4).prop_map(|seed| format!("ssh-rsa {}", key(seed).base64())),
        1 => Just(String::new()),
    ];
    let end =
        prop_oneof![3 => Just(""), 1 => Just(" a comment"), 1 => Just("\r"), 1 => Just(" # x")];
    let entry = (marker, names, blank, rest, end)
        .prop_map(|(marker, names, blank, rest, end)| format!("{marker}{names}{blank}{rest}{end}"));
    prop_oneof![8 => entry, 1 => Just("# a comment".to_owned()), 1 => Just(String::new())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Also after `ssh-keygen -H` hashed all names that are no patterns.
    #[test]
    fn ssh_keygen_finds_the_same_lines(lines in prop::collection::vec(line(), 0..6), hashed in any::<bool>()) {
        let text = lines.join("\n") + "\n";
        let places = Places::with(&text);
        let file = places.path("known_hosts");
        if hashed {
            run("ssh-keygen", &["-H", "-f", file.to_str().unwrap()]);
        }
        for name in ["a", "ab", "b.a", "10.0.0.1"] {
            prop_assert_eq!(we_find(&file, name), keygen_finds(&file, name), "{} in {:?}", name, places.own());
        }
        let port = "[a]:2222";
        prop_assert_eq!(we_find(&file, "a:2222"), keygen_finds(&file, port), "{} in {:?}", port, places.own());
    }

    /// What was removed by us is gone for `ssh-keygen`, and what it removes is gone for us.
    #[test]
    fn ssh_keygen_agrees_on_what_was_removed(lines in prop::collection::vec(line(), 1..5)) {
        let text = lines.join("\n") + "\n";
        let ours = Places::with(&text);
        let file = ours.path("known_hosts");
        KnownHostsFile::own(&file).remove(&host("a"), &Removal::All, &note()).unwrap();
        let left = keygen_finds(&file, "a");
        prop_assert_eq!(&left, &we_find(&file, "a"));
        let named = KnownHostsFile::own(&file).find(&host("a")).unwrap();
        let exactly = named.keys().any(|entry| entry.naming == hosts::host_key::Naming::Exactly);
        prop_assert!(!exactly, "{:?} became {:?}", text, ours.own());

        let theirs = Places::with(&text);
        let file = theirs.path("known_hosts");
        run("ssh-keygen", &["-R", "a", "-f", file.to_str().unwrap()]);
        prop_assert_eq!(keygen_finds(&file, "a"), we_find(&file, "a"));
    }
}

#[test]
fn fingerprints_are_those_that_ssh_keygen_prints() {
    let places = Places::with(&format!("a {}\na {RSA}\n", key(1)));
    let file = places.path("known_hosts");

    assert_eq!(we_find(&file, "a"), keygen_finds(&file, "a"));
    assert_eq!(we_find(&file, "a").len(), 2);
}

// --- the ssh client ------------------------------------------------------------------------------------------------

/// A server that shows a key, perhaps with a certificate, and lets nobody in.
struct Nobody;

impl russh::server::Handler for Nobody {
    type Error = russh::Error;
}

/// Starts a server on loopback for the life of the test; its port.
pub(crate) fn server(keys: Vec<PrivateKey>, certificate: Option<Certificate>) -> u16 {
    let config = Arc::new(Config {
        keys,
        certificates: certificate.into_iter().collect(),
        auth_rejection_time: Duration::ZERO,
        ..Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(session) = russh::server::run_stream(config.clone(), stream, Nobody).await
                {
                    tokio::spawn(session);
                }
            }
        });
    });
    port
}

/// Whether `ssh` goes on to authentication with the server on `port` when it is called `name`.
fn ssh_trusts(places: &Places, name: &str, port: u16) -> bool {
    let file = |name: &str| places.path(name).to_str().unwrap().to_owned();
    let options = [
        format!("UserKnownHostsFile={}", file("known_hosts")),
        format!("GlobalKnownHostsFile={} {}", file("server"), file("everybody")),
        format!("HostKeyAlias={name}"),
        "StrictHostKeyChecking=yes".into(),
        "BatchMode=yes".into(),
        "UpdateHostKeys=no".into(),
        "IdentitiesOnly=yes".into(),
        "IdentityFile=none".into(),
        format!("Port={port}"),
    ];
    let mut arguments = vec!["-F", "none"];
    arguments.extend(options.iter().flat_map(|option| ["-o", option]));
    arguments.extend(["ada@127.0.0.1", "true"]);
    let said = String::from_utf8_lossy(&run("ssh", &arguments).stderr).into_owned();
    let trusted = said.contains("Permission denied");
    assert_ne!(trusted, said.contains("Host key verification failed"), "{said}");
    trusted
}

#[test]
fn the_ssh_client_trusts_the_same_keys() {
    let (good, other) = (key(1), key(2));
    let port = server(vec![private_key(1)], None);
    let hashed = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|cr0YLgTT7aj4X2PCkk6IJPkwHSA=";
    for (name, own, everybody, verdict) in [
        ("web1", format!("web1 {good}\n"), String::new(), "verified"),
        ("web1", format!("WEB1 \t{good} x\n"), String::new(), "verified"),
        ("web1", String::new(), format!("web? {good}\n"), "verified"),
        ("hashed1", format!("{hashed} {good}\n"), String::new(), "verified"),
        ("web1", format!("web1 {other}\nweb1 {good}\n"), String::new(), "verified"),
        ("web1", format!("web1 ssh-ed25519 AAAA\nweb1 {good}\n"), String::new(), "verified"),
        ("web1", String::new(), String::new(), "unknown"),
        ("web1", format!("web2,!web1,* {good}\n"), String::new(), "unknown"),
        ("web1", format!("web1 {other}\n"), String::new(), "changed"),
        ("web1", format!("web1 {RSA}\n"), String::new(), "changed"),
        ("web1", format!("web1 {good}\n"), format!("@revoked * {good}\n"), "revoked"),
        ("web1", format!("@revoked web1 {good}\nweb1 {good}\n"), String::new(), "revoked"),
        ("web1", "web1 ssh-ed25519 AAAA\n".into(), String::new(), "damaged"),
    ] {
        let places = Places::with(&own).and_server("").and_everybody(&everybody);

        assert_eq!(places.says(name, &good), verdict, "{own:?} {everybody:?}");
        assert_eq!(ssh_trusts(&places, name, port), verdict == "verified", "{own:?} {everybody:?}");
    }
}

/// A certificate made by `ssh-keygen` for the key of seed 1, signed by that of seed 9.
fn certificate(options: &[&str]) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let authority = private_key(9).to_openssh(LineEnding::LF).unwrap();
    std::fs::write(at("ca"), authority.as_bytes()).unwrap();
    rustix::fs::chmod(at("ca"), rustix::fs::Mode::RUSR).unwrap();
    std::fs::write(at("host.pub"), format!("{}\n", key(1))).unwrap();
    let (authority, public) = (at("ca"), at("host.pub"));
    let mut arguments = vec!["-q", "-s", &authority, "-I", "id"];
    arguments.extend(options);
    arguments.push(&public);
    let output = run("ssh-keygen", &arguments);
    assert!(output.status.success(), "{output:?}");
    Certificate::read_file(Path::new(&at("host-cert.pub"))).unwrap()
}

#[test]
fn the_ssh_client_trusts_the_same_certificates() {
    let authority = format!("@cert-authority *.example.org {}\n", key(9));
    let plain = format!("web1.example.org {}\n", key(1));
    let revoked = format!("{authority}@revoked * {}\n", key(9));
    let other = format!("@cert-authority *.example.org {}\n", key(8));
    let good = ["-h", "-n", "web1.example.org", "-V", "-1h:+1h"];
    let expired = ["-h", "-n", "web1.example.org", "-V", "-2h:-1h"];
    let early = ["-h", "-n", "web1.example.org", "-V", "+1h:+2h"];
    let elsewhere = ["-h", "-n", "web2.example.org"];
    let user = ["-n", "web1.example.org"];
    let critical = ["-h", "-n", "web1.example.org", "-O", "critical:what@example.org=x"];
    let cases: [(&[&str], &str, &str); 12] = [
        (&good, &authority, "verified"),
        (&["-h", "-n", "a,web1.example.org"], &authority, "verified"),
        (&good, &plain, "verified"),
        (&expired, &plain, "verified"),
        (&expired, &authority, "unusable"),
        (&early, &authority, "unusable"),
        (&elsewhere, &authority, "unusable"),
        (&user, &authority, "unusable"),
        (&critical, &authority, "unusable"),
        (&good, &revoked, "revoked"),
        (&good, &other, "unknown"),
        (&good, "", "unknown"),
    ];
    for (options, own, verdict) in cases {
        let shown = certificate(options);
        let places = Places::with(own).and_server("").and_everybody("");
        let name = "web1.example.org";
        let presented = Presented::new(host(name), None, &shown.clone().into()).unwrap();

        let ours = places.keys().verify(&presented, SystemTime::now());
        assert_eq!(word(&ours), verdict, "{options:?} {own:?} {ours:?}");
        let port = server(vec![private_key(1)], Some(shown));
        assert_eq!(ssh_trusts(&places, name, port), verdict == "verified", "{options:?} {own:?}");
    }
}

/// Where we are stricter than the client: a certificate for nobody in particular, and stores that disagree.
#[test]
fn what_the_ssh_client_lets_pass_and_we_do_not() {
    let places = Places::with(&format!("@cert-authority * {}\n", key(9)));
    let presented = Presented::new(host("web1"), None, &certificate(&["-h"]).into()).unwrap();
    let ours = places.keys().verify(&presented, SystemTime::now());
    assert_eq!(word(&ours), "unusable");

    let port = server(vec![private_key(1)], None);
    let places = Places::with(&format!("web1 {}\n", key(1)))
        .and_server(&format!("web1 {}\n", key(2)))
        .and_everybody("");
    assert!(ssh_trusts(&places, "web1", port));
    assert_eq!(places.says("web1", &key(1)), "changed");
}
