//! Which host key algorithms are offered to a machine.
//!
//! The list is the same for every host that is not known, so that it does not tell who can be deceived (CVE-2020-14145). A
//! known host is asked only for keys of the types that are stored for it: nobody gets to be new by showing another type.
//! Caller: the connection, before the key exchange.

use std::borrow::Cow;

use russh::Preferred;
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};

use super::key::KeyType;

/// Algorithms in the order in which they are offered. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms {
    keys: Vec<Algorithm>,
    certificates: Vec<Algorithm>,
}

/// All that are accepted (security rule T24), best first.
const ACCEPTED: [Algorithm; 5] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

impl Algorithms {
    /// What a host that is not known is offered, and what a scan asks for.
    pub fn all() -> Self {
        Self { keys: ACCEPTED.to_vec(), certificates: Vec::new() }
    }

    /// What a host is offered of which keys of `types` are stored, and that may show a certificate if `certificates`.
    /// `None` if nothing of that is accepted.
    pub(super) fn for_known(types: &[&KeyType], certificates: Certificates) -> Option<Self> {
        let stored = |algorithm: &Algorithm| {
            types
                .iter()
                .any(|kind| kind.as_str() == key_type(algorithm))
        };
        let (keys, certificates): (Vec<Algorithm>, Vec<Algorithm>) = match certificates {
            Certificates::No => (ACCEPTED.into_iter().filter(stored).collect(), Vec::new()),
            Certificates::Yes if types.is_empty() => (ACCEPTED.to_vec(), ACCEPTED.to_vec()),
            Certificates::Yes => (ACCEPTED.into_iter().filter(stored).collect(), ACCEPTED.to_vec()),
        };
        (!keys.is_empty() || !certificates.is_empty()).then_some(Self { keys, certificates })
    }

    /// One list for each type of key, for a scan that wants them all.
    pub(super) fn by_type() -> Vec<Self> {
        ACCEPTED
            .chunk_by(|one, next| key_type(one) == key_type(next))
            .map(|same| Self { keys: same.to_vec(), certificates: Vec::new() })
            .collect()
    }

    /// Plain keys.
    pub fn keys(&self) -> &[Algorithm] {
        &self.keys
    }

    /// Certificates, which are offered before plain keys. Empty without an authority for the host.
    pub fn certificates(&self) -> &[Algorithm] {
        &self.certificates
    }

    /// `preferred` with these.
    #[must_use]
    pub fn applied_to(&self, preferred: Preferred) -> Preferred {
        Preferred {
            key: Cow::Owned(self.keys.clone()),
            host_key_certificates: Cow::Owned(self.certificates.clone()),
            ..preferred
        }
    }
}

/// Whether a host may show a certificate: an authority for it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certificates {
    Yes,
    No,
}

/// The type of the keys that sign by `algorithm`: RSA keys are `ssh-rsa` whatever the digest.
fn key_type(algorithm: &Algorithm) -> &str {
    if matches!(algorithm, Algorithm::Rsa { .. }) { "ssh-rsa" } else { algorithm.as_str() }
}
