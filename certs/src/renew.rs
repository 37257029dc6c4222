//! Our own self-signed certificate: taken from its directory, made when there is none that will do.
//!
//! Caller: `server`, at start and then daily. Files: `certificate.pem` 0644 and `key.pem` 0600, both in a directory
//! 0700. A kept certificate keeps the exception that people made for it, so a new one is made only when it must be.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::PrivateKeyDer;

use crate::{CertError, Certificate, Names, import, leaf, store};

/// How long before its end a certificate is replaced.
pub const RENEW_BEFORE: Duration = Duration::from_hours(30 * 24);

/// Takes the certificate in `directory`, or makes one for `names` if it is absent, half-written, about to expire, or
/// made for a machine of another name.
///
/// # Errors
///
/// Files that cannot be read or written, and a key that others can read: the administrator must look.
pub fn load_or_make(
    directory: &Path,
    names: &Names,
    now: SystemTime,
) -> Result<Certificate, CertError> {
    store::make_directory(directory)?;
    let certificate = directory.join("certificate.pem");
    let key = directory.join("key.pem");
    if certificate.exists() && key.exists() {
        match import::import(&certificate, &key) {
            Ok(found) if will_do(&found, names, now) => return Ok(found),
            // Half-written by a crash or about to end: replaced below. A file that the system refuses and a key
            // that others can read are not ours to decide.
            Ok(_) | Err(CertError::NotPem { .. } | CertError::NotX509 { .. }) => {}
            Err(
                error @ (CertError::File { .. }
                | CertError::KeyMode { .. }
                | CertError::KeyOwner { .. }
                | CertError::Make(_)),
            ) => return Err(error),
        }
    }
    let made = leaf::make(names, now)?;
    store::replace(&[
        (&key, 0o600, made.key.as_bytes()),
        (&certificate, 0o644, made.certificate.as_bytes()),
    ])?;
    import::import(&certificate, &key)
}

fn will_do(found: &Certificate, names: &Names, now: SystemTime) -> bool {
    let lasts = found.left(now) > RENEW_BEFORE;
    // Made while the clock was far ahead: it would outlive what browsers accept.
    let plausible = found.left(now) <= leaf::VALID;
    lasts && plausible && belongs_together(found) && is_for(found, names)
}

/// After a crash between two renames the key is new and the certificate old.
fn belongs_together(found: &Certificate) -> bool {
    let PrivateKeyDer::Pkcs8(der) = &found.key else {
        return false;
    };
    let Ok(key) = KeyPair::try_from(der.secret_pkcs8_der()) else {
        return false;
    };
    let held = found.chain.first().and_then(import::public_key);
    held.is_some_and(|held| held == key.der_bytes())
}

fn is_for(found: &Certificate, names: &Names) -> bool {
    let held = found
        .chain
        .first()
        .map(import::dns_names)
        .unwrap_or_default();
    held.iter().any(|name| name == names.primary())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Issuer;

    fn names(first: &str) -> Names {
        Names {
            dns: vec![first.to_owned(), "localhost".to_owned()],
            addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        }
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();

        let first = load_or_make(directory.path(), &names("admin1"), now).unwrap();
        let second = load_or_make(directory.path(), &names("admin1"), now + 300 * DAY).unwrap();

        assert_eq!(first.fingerprint, second.fingerprint);
        assert_eq!(first.issuer, Issuer::Itself);
        let mode = |name: &str| {
            let facts = directory.path().join(name).metadata().unwrap();
            facts.permissions().mode() & 0o7777
        };
        assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o644));
    }

    #[test]
    fn it_is_valid_for_at_most_397_days_and_replaced_30_days_before() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();

        let first = load_or_make(directory.path(), &names("admin1"), now).unwrap();
        assert!(first.left(now) < 397 * DAY && first.left(now) > 390 * DAY);

        let second = load_or_make(directory.path(), &names("admin1"), now + 370 * DAY).unwrap();
        assert_ne!(first.fingerprint, second.fingerprint);
    }

    #[test]
    fn a_new_host_name_gets_a_new_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();

        let first = load_or_make(directory.path(), &names("admin1"), now).unwrap();
        let second = load_or_make(directory.path(), &names("admin2"), now).unwrap();

        assert_ne!(first.fingerprint, second.fingerprint);
    }

    #[test]
    fn a_crash_between_key_and_certificate_is_repaired() {
        let directory = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        load_or_make(directory.path(), &names("admin1"), now).unwrap();
        let newer = load_or_make(other.path(), &names("admin1"), now).unwrap();
        std::fs::copy(other.path().join("key.pem"), directory.path().join("key.pem")).unwrap();

        let repaired = load_or_make(directory.path(), &names("admin1"), now).unwrap();

        assert!(belongs_together(&repaired));
        assert_ne!(repaired.fingerprint, newer.fingerprint);
    }

    #[test]
    fn a_half_written_certificate_is_replaced_and_an_old_temporary_file_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        load_or_make(directory.path(), &names("admin1"), now).unwrap();
        std::fs::write(directory.path().join("certificate.pem"), "-----BEGIN CERT").unwrap();
        std::fs::write(directory.path().join("key.new"), "half").unwrap();

        let repaired = load_or_make(directory.path(), &names("admin1"), now).unwrap();

        assert!(belongs_together(&repaired));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        load_or_make(directory.path(), &names("admin1"), SystemTime::now()).unwrap();
        let key = directory.path().join("key.pem");

        for mode in [0o644, 0o660, 0o604, 0o700] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = load_or_make(directory.path(), &names("admin1"), SystemTime::now());
            assert!(
                matches!(refused, Err(CertError::KeyMode { mode: shown, .. }) if shown == mode)
            );
        }
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load_or_make(directory.path(), &names("admin1"), SystemTime::now()).is_ok());
    }

    #[test]
    fn names_and_addresses_are_in_the_certificate() {
        let directory = tempfile::tempdir().unwrap();

        let made = load_or_make(directory.path(), &names("admin1"), SystemTime::now()).unwrap();

        let held = made.chain.first().map(import::dns_names).unwrap();
        assert_eq!(held, ["admin1", "localhost"]);
        let address = [0x87, 4, 127, 0, 0, 1]; // iPAddress [7] of four bytes
        assert!(
            made.chain[0]
                .windows(address.len())
                .any(|bytes| bytes == address)
        );
    }
}
