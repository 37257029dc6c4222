//! A certificate from two PEM files.
//!
//! Callers: `server` for the administrator's own, `renew` for ours. Whether key and certificate belong together is
//! checked where they are put to use; whether the chain is trusted is the browser's business.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::{CertError, Certificate, Fingerprint, Issuer, store};

/// Reads certificate (with its chain) and key.
///
/// # Errors
///
/// A file that cannot be read, is not PEM, or a key that others can read: the administrator's mistake.
pub fn import(certificate: &Path, key: &Path) -> Result<Certificate, CertError> {
    let chain = read_chain(certificate)?;
    let content = store::read_key(key)?;
    let not_pem = || CertError::NotPem { path: key.to_owned(), expected: "private key" };
    let key = PrivateKeyDer::from_pem_slice(&content).map_err(|_| not_pem())?;
    let not_pem = || CertError::NotPem { path: certificate.to_owned(), expected: "certificate" };
    let first = chain.first().ok_or_else(not_pem)?;
    let facts = facts(first)
        .map_err(|reason| CertError::NotX509 { path: certificate.to_owned(), reason })?;
    let fingerprint = Fingerprint::of(first);
    Ok(Certificate { fingerprint, issuer: facts.issuer, expires: facts.expires, chain, key })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let content = store::read_public(path)?;
    let not_pem = || CertError::NotPem { path: path.to_owned(), expected: "certificate" };
    CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|_| not_pem())
}

struct Facts {
    issuer: Issuer,
    expires: SystemTime,
}

fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let issuer =
        if parsed.subject() == parsed.issuer() { Issuer::Itself } else { Issuer::Authority };
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default();
    Ok(Facts { issuer, expires: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) })
}

/// The DNS names in a certificate.
pub(crate) fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for name in &extension.value.general_names {
        if let GeneralName::DNSName(name) = name {
            names.push((*name).to_owned());
        }
    }
    names
}

/// The public key in a certificate (`SubjectPublicKeyInfo`, DER).
pub(crate) fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.public_key().subject_public_key.data.to_vec())
}

/// The fingerprint of the first certificate in a PEM file.
///
/// # Errors
///
/// The file cannot be read or holds none.
pub fn fingerprint(certificate: &Path) -> Result<Fingerprint, CertError> {
    let not_pem = || CertError::NotPem { path: certificate.to_owned(), expected: "certificate" };
    read_chain(certificate)?
        .first()
        .map(Fingerprint::of)
        .ok_or_else(not_pem)
}
