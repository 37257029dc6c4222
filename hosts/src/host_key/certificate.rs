//! Whether a host certificate is good: for this host, now, and signed by whom its key says.
//!
//! Which authorities are trusted is `verdict`'s question. Rules: "PROTOCOL.certkeys" of OpenSSH, and ssh-keygen(1),
//! "CERTIFICATES".

use std::time::{Duration, SystemTime};

use protocol::names::HostSpec;
use russh::keys::ssh_key::{Algorithm, HashAlg};

use super::key::Weakness;
use super::names::Names;
use super::presented::HostCertificate;

/// Why a certificate of a trusted authority is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It is one of a user.
    #[error("the certificate is not one of a host")]
    NotForHosts,
    /// It names other hosts, or none.
    #[error("the certificate is for other hosts: {}", .0.join(", "))]
    Principal(Vec<String>),
    /// It is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// It is not valid any more.
    #[error("the certificate has expired")]
    Expired,
    /// It has a critical option; none is defined for hosts.
    #[error("the certificate has the critical option {0:?}, which is not known")]
    CriticalOption(String),
    /// The signature is not the authority's, or by an algorithm that is not accepted.
    #[error("the signature of the certificate is not valid")]
    Signature,
    /// The authority's key is too weak.
    #[error("the certificate is signed by a weak key: {0}")]
    Authority(Weakness),
}

/// Checks everything of a certificate but the trust in its authority.
pub(super) fn check(
    shown: &HostCertificate,
    host: &HostSpec,
    now: SystemTime,
) -> Result<(), CertificateFault> {
    let certificate = &shown.certificate;
    if !shown.is_for_hosts() {
        return Err(CertificateFault::NotForHosts);
    }
    if let Some(weakness) = shown.authority.weakness() {
        return Err(CertificateFault::Authority(weakness));
    }
    if !is_accepted(&certificate.signature().algorithm()) || certificate.verify_signature().is_err()
    {
        return Err(CertificateFault::Signature);
    }
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(CertificateFault::CriticalOption(option.clone()));
    }
    check_dates(certificate.valid_after(), certificate.valid_before(), now)?;
    if is_principal(shown.principals(), host) {
        return Ok(());
    }
    Err(CertificateFault::Principal(shown.principals().to_vec()))
}

/// Valid from the first second to before the last one; both since 1970.
fn check_dates(after: u64, before: u64, now: SystemTime) -> Result<(), CertificateFault> {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    if now < after {
        return Err(CertificateFault::NotYet);
    }
    if now >= before {
        return Err(CertificateFault::Expired);
    }
    Ok(())
}

/// Whether a certificate for `principals` is for `host`. Wildcards are allowed, the port never belongs to it, and a
/// certificate for nobody is for nobody.
fn is_principal(principals: &[String], host: &HostSpec) -> bool {
    let host = host.host().to_string();
    principals
        .iter()
        .any(|principal| match Names::parse(principal.as_bytes()) {
            Some(Names::Patterns(pattern)) if !pattern.contains([',', '!']) => {
                Names::Patterns(pattern).naming(&host).is_some()
            }
            Some(_) | None => false,
        })
}

/// Signatures of authorities: as of hosts, and no SHA-1 (security rule T24).
fn is_accepted(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::Ecdsa { .. }
            | Algorithm::Rsa { hash: Some(HashAlg::Sha256 | HashAlg::Sha512) }
    )
}
