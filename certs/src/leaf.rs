//! A self-signed certificate: ECDSA P-256, for one server, for at most 397 days.
//!
//! Caller: `renew`. Browsers refuse longer ones (CA/Browser Forum, Baseline Requirements 6.3.2).

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::{CertError, Names};

/// How long a new one is valid, from its first moment to its last.
pub(crate) const VALID: Duration = Duration::from_secs(397 * 86_400 - 1);

/// How far before now its first moment lies: for browsers whose clock is behind ours.
const CLOCK_SKEW: Duration = Duration::from_hours(24);

/// A certificate and its key as PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
}

/// Makes a new key and a certificate for `names`.
pub(crate) fn make(names: &Names, now: SystemTime) -> Result<Leaf, CertError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.dns.clone())?;
    params
        .subject_alt_names
        .extend(names.addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(names.primary()));
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Pilothouse, self-signed");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let first = since_epoch(now).saturating_sub(CLOCK_SKEW);
    params.not_before = date_time_ymd(1970, 1, 1) + first;
    params.not_after = date_time_ymd(1970, 1, 1) + (first + VALID);
    let certificate = params.self_signed(&key)?.pem();
    Ok(Leaf { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

/// A common name holds at most 64 characters (RFC 5280, ub-common-name).
fn common_name(name: &str) -> &str {
    if name.len() <= 64 { name } else { "localhost" }
}

/// Whole seconds: certificates hold no others.
fn since_epoch(now: SystemTime) -> Duration {
    let elapsed = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Duration::from_secs(elapsed.as_secs())
}
