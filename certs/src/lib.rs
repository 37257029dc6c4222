//! Certificates of the management server: imported or self-signed, stored, renewed.
//!
//! Callers: `server` (what it shows in TLS) and `cli` (the fingerprint it prints). Files and clock come in as paths
//! and times; nothing here listens, connects or waits. A private key leaves this crate only inside [`Certificate`].
#![forbid(unsafe_code)]

mod import;
mod leaf;
mod names;
mod renew;
mod store;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

pub use import::{fingerprint, import};
pub use names::Names;
pub use renew::{RENEW_BEFORE, load_or_make};

/// A certificate with its chain and its private key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, then what signed it; at least one.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first one.
    pub key: PrivateKeyDer<'static>,
    /// Who signed it.
    pub issuer: Issuer,
    /// From when on it is not valid any more.
    pub expires: SystemTime,
    /// SHA-256 of the first one.
    pub fingerprint: Fingerprint,
}

/// Who signed a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// Its own key: browsers ask their user.
    Itself,
    /// Somebody else, perhaps a known authority.
    Authority,
}

/// SHA-256 of a certificate's DER bytes. Displayed as browsers do: upper-case hex pairs with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl Certificate {
    /// Time left at `now`; nothing when it has expired.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.expires.duration_since(now).unwrap_or_default()
    }
}

/// Why there is no certificate to use.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The key can be read by others (T15).
    #[error("private key {} has mode {mode:04o}; only 0600 and 0640 are accepted", path.display())]
    KeyMode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key belongs to neither us nor root.
    #[error("private key {} belongs to user {owner}, not to root or to the user of this process", path.display())]
    KeyOwner {
        /// Which file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Not PEM, or not what was expected in it.
    #[error("{} holds no {expected} in PEM form", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
    },
    /// The certificate cannot be parsed.
    #[error("{} is not an X.509 certificate: {reason}", path.display())]
    NotX509 {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// No new one could be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}
