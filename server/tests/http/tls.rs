//! Protocol versions, certificates, and what keeps the server from starting.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use server::config::TlsFiles;
use server::{Access, Listener, StartError};
use sha2::Digest as _;

use crate::house::{House, PATIENCE, settings};

/// Runs `openssl s_client` against `house`; whether it got a connection, and what it said.
fn openssl(house: &House, options: &[&str]) -> (bool, String) {
    #[expect(clippy::disallowed_methods, reason = "a test drives the system's own TLS client")]
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-connect", &house.address.to_string()])
        .args(options)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !said.contains("Cipher is (NONE)"), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_suites_are_refused() {
    let house = House::start().await;
    let weak = "DEFAULT@SECLEVEL=0";
    for refused in [
        &["-tls1", "-cipher", weak][..],
        &["-tls1_1", "-cipher", weak],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
    ] {
        assert!(!openssl(&house, refused).0, "{refused:?}");
    }
    for accepted in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_3", "-groups", "X25519"]] {
        let (connected, said) = openssl(&house, accepted);
        assert!(connected, "{accepted:?}");
        assert!(said.contains("_GCM_") || said.contains("-GCM-") || said.contains("POLY1305"));
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_http_1_1_is_spoken_and_renegotiation_is_not() {
    let house = House::start().await;

    let (_, said) = openssl(&house, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");

    let (_, said) = openssl(&house, &["-tls1_2"]);
    assert!(said.contains("Compression: NONE"), "{said}");
    house.stop().await;
}

async fn shown(house: &House) -> String {
    let stream = house.tls().await;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().unwrap()[0].to_vec();
    let digest = sha2::Sha256::digest(certificate);
    digest
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[tokio::test]
async fn the_printed_fingerprint_is_that_of_the_shown_certificate() {
    let house = House::start().await;

    assert_eq!(shown(&house).await, house.fingerprint);
    let config = settings(house.folder.path());
    assert_eq!(server::fingerprint(&config).unwrap().to_string(), house.fingerprint);
    assert_eq!(
        house.ask("GET /ca.cer", "").await.header("content-type"),
        Some("application/x-x509-ca-cert")
    );
    house.stop().await;
}

/// Another self-signed certificate, as `certificate.pem` and `key.pem` in `folder`.
fn make(folder: &Path) {
    let names = certs::Names { dns: vec!["admin1.lan".to_owned()], addresses: vec![] };
    certs::load_or_make(folder, &names, std::time::SystemTime::now()).unwrap();
}

#[tokio::test]
async fn a_replaced_certificate_is_used_after_sighup_and_open_connections_go_on() {
    let files = tempfile::tempdir().unwrap();
    let (first, second) = (files.path().join("1"), files.path().join("2"));
    make(&first);
    make(&second);
    let (certificate, key) = (first.join("certificate.pem"), first.join("key.pem"));
    let house =
        House::start_with(|config| config.tls = TlsFiles::Imported { certificate, key }).await;
    let before = shown(&house).await;
    let open = house.tls().await;

    for name in ["certificate.pem", "key.pem"] {
        std::fs::rename(second.join(name), first.join(name)).unwrap();
    }
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();

    let changed = async {
        while shown(&house).await == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, changed)
        .await
        .expect("the new certificate is shown");
    let request = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(
        crate::house::exchange(open, request)
            .await
            .starts_with("HTTP/1.1 200")
    );
    house.stop().await;
}

async fn refused(change: impl FnOnce(&Path, &mut server::Config)) -> StartError {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    change(folder.path(), &mut config);
    server::run_until(config, Listener::Bind, Access::Login, |_| panic!("it started"), async {})
        .await
        .unwrap_err()
}

#[tokio::test]
async fn an_unsafe_state_directory_or_key_keeps_the_server_from_starting() {
    let open_directory = refused(|folder, _| {
        std::fs::create_dir_all(folder.join("state/serve")).unwrap();
        std::fs::set_permissions(
            folder.join("state/serve"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
    })
    .await;
    assert_eq!(open_directory.exit_code(), 78);
    assert!(open_directory.to_string().contains("mode 0755"), "{open_directory}");

    let open_key = refused(|folder, config| {
        make(&folder.join("1"));
        let (certificate, key) = (folder.join("1/certificate.pem"), folder.join("1/key.pem"));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        config.tls = TlsFiles::Imported { certificate, key };
    })
    .await;
    assert_eq!(open_key.exit_code(), 78);

    let mixed = refused(|folder, config| {
        make(&folder.join("1"));
        make(&folder.join("2"));
        let (certificate, key) = (folder.join("1/certificate.pem"), folder.join("2/key.pem"));
        config.tls = TlsFiles::Imported { certificate, key };
    })
    .await;
    assert!(matches!(mixed, StartError::Tls(server::TlsError::Unusable(_))), "{mixed}");

    let no_interface = refused(|_, config| config.web_dir = Some("/nonexistent".into())).await;
    assert_eq!(no_interface.exit_code(), 78);
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let error = refused(|_, config| config.listen = vec![address]).await;

    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {address}:")),
        "{error}"
    );
}

#[tokio::test]
async fn a_local_session_is_refused_beyond_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let listen = vec!["0.0.0.0:0".parse().unwrap()];
    let config = server::Config { listen, ..settings(folder.path()) };
    let (ours, _bridge) = std::os::unix::net::UnixStream::pair().unwrap();
    let access = Access::LocalSession(ours);
    let started = |_: &server::Started| panic!("it started");

    let refused = server::run_until(config, Listener::Bind, access, started, async {}).await;

    assert!(matches!(refused, Err(StartError::LocalSessionExposed(_))), "{refused:?}");
}
