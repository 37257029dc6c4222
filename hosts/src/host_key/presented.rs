//! What a machine shows of itself in the key exchange.
//!
//! Made by the SSH connection from the bytes that were exchanged; everything a person is asked comes from here, nothing from
//! a text that the machine sent (security rule T23).

use std::net::SocketAddr;

use protocol::names::HostSpec;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::Certificate;
use russh::keys::ssh_key::certificate::CertType;

use super::key::HostKey;
use super::refused::Unusable;

/// A machine that showed a key, and what it was called and where it was reached.
#[derive(Debug, Clone)]
pub struct Presented {
    host: HostSpec,
    address: Option<SocketAddr>,
    identity: Identity,
}

/// What it showed. The key exchange proved that it holds the private key.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A key.
    Key(HostKey),
    /// A key with a certificate of an authority.
    Certificate(Box<HostCertificate>),
}

/// A certificate whose signature holds. Whether it is for this host, today and by an authority that is trusted is
/// `certificate`'s question.
#[derive(Debug, Clone)]
pub struct HostCertificate {
    pub(super) certificate: Certificate,
    pub(super) key: HostKey,
    pub(super) authority: HostKey,
}

impl Presented {
    /// What the machine that was called `host` showed from `address` (`None` behind a jump host).
    ///
    /// # Errors
    ///
    /// [`Unusable`] if it is nothing that can be looked up: a certificate in a certificate, a key without encoding.
    pub fn new(
        host: HostSpec,
        address: Option<SocketAddr>,
        shown: &PublicKeyOrCertificate,
    ) -> Result<Self, Unusable> {
        let identity = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                if key.key_data().is_certificate() {
                    return Err(Unusable::Nested);
                }
                Identity::Key(HostKey::from_ssh(key.key_data()).map_err(Unusable::Malformed)?)
            }
            PublicKeyOrCertificate::Certificate(certificate) => {
                Identity::Certificate(Box::new(HostCertificate::new(certificate.clone())?))
            }
        };
        Ok(Self { host, address, identity })
    }

    /// What the machine that was called `host` showed, as a key.
    pub fn with_key(host: HostSpec, address: Option<SocketAddr>, key: HostKey) -> Self {
        Self { host, address, identity: Identity::Key(key) }
    }

    /// The host as it was typed.
    pub fn host(&self) -> &HostSpec {
        &self.host
    }

    /// Where it was reached.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What it showed.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The key that it proved to hold.
    pub fn key(&self) -> &HostKey {
        match &self.identity {
            Identity::Key(key) => key,
            Identity::Certificate(certificate) => &certificate.key,
        }
    }
}

impl HostCertificate {
    fn new(certificate: Certificate) -> Result<Self, Unusable> {
        if certificate.public_key().is_certificate() || certificate.signature_key().is_certificate()
        {
            return Err(Unusable::Nested);
        }
        let key = HostKey::from_ssh(certificate.public_key()).map_err(Unusable::Malformed)?;
        let authority =
            HostKey::from_ssh(certificate.signature_key()).map_err(Unusable::Malformed)?;
        Ok(Self { certificate, key, authority })
    }

    /// The key of the authority that signed it.
    pub fn authority(&self) -> &HostKey {
        &self.authority
    }

    /// The names it is for; never empty in one that is accepted.
    pub fn principals(&self) -> &[String] {
        self.certificate.valid_principals()
    }

    /// Whether it is a certificate of a host at all.
    pub(super) fn is_for_hosts(&self) -> bool {
        self.certificate.cert_type() == CertType::Host
    }
}
