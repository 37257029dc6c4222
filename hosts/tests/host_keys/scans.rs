//! Asking a machine for its keys.

use std::net::TcpListener;

use hosts::host_key::{ScanError, scan};
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};

use crate::openssh::server;
use crate::places::{host, key, private_key};

#[tokio::test]
async fn a_scan_finds_one_key_of_each_type_and_logs_in_nowhere() {
    let curve = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
    let ecdsa = PrivateKey::random(&mut russh::keys::key::safe_rng(), curve).unwrap();
    let fingerprint = ecdsa.public_key().fingerprint(HashAlg::Sha256).to_string();
    let port = server(vec![private_key(1), ecdsa], None);

    let scanned = scan(&host(&format!("127.0.0.1:{port}"))).await.unwrap();

    assert_eq!(scanned.keys.len(), 2);
    assert_eq!(scanned.keys[0], key(1));
    assert_eq!(scanned.keys[1].fingerprint().to_string(), fingerprint);
}

#[tokio::test]
async fn a_machine_that_speaks_no_ssh_is_told_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = host(&listener.local_addr().unwrap().to_string());
    let closing = std::thread::spawn(move || drop(listener.accept()));
    assert!(matches!(
        scan(&place).await,
        Err(ScanError::NoKey { .. } | ScanError::Unreachable { .. })
    ));
    closing.join().unwrap();

    assert!(matches!(scan(&place).await, Err(ScanError::Unreachable { .. })));
}
