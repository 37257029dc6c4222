//! A host key as bytes, its type, and its fingerprint.
//!
//! What is compared, stored and shown is always the key's own encoding (RFC 4253 section 6.6), never a text that a machine
//! made. Keys of a type that we do not know are kept, so that the host they belong to counts as known.

use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD,
};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, PublicKey};
use sha2::{Digest as _, Sha256};

/// Shortest RSA key that is believed, in bits (security rule T24).
const MIN_RSA_BITS: usize = 2048;
/// Longest RSA key that is believed, in bits, as OpenSSH has it: longer ones only cost time.
const MAX_RSA_BITS: usize = 16_384;
/// Longest encoded key that is read, in bytes: an RSA key of [`MAX_RSA_BITS`] and room to spare.
const MAX_KEY: usize = 16 << 10;

/// Padding may be missing at the end, as OpenSSH's own files never have it; anything else must be exact.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The public key of a host, as it stands in `known_hosts`(8): type and encoding. Comments are no part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostKey {
    kind: KeyType,
    encoded: Vec<u8>,
}

/// The type of a key: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …; graphic ASCII without `,`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyType(String);

/// The SHA-256 digest of a key's encoding; prints as `SHA256:` and base64, as `ssh-keygen -l` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// Why text or bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Type or key is missing.
    #[error("the key is missing")]
    Missing,
    /// The key is not base64.
    #[error("the key is not base64")]
    NotBase64,
    /// The encoding ends too early, is too long, or is not what its type wants.
    #[error("the key is cut off or malformed")]
    Malformed,
    /// The type in front of the key is not the type inside of it.
    #[error("the key is of another type than the one named")]
    OtherType,
}

/// Why a key that was presented cannot be believed, whatever is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Broken or unknown type.
    #[error("keys of type {0} are not accepted")]
    Type(KeyType),
    /// RSA key of a length in bits that is not accepted.
    #[error("RSA key of {0} bits, from {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")]
    RsaBits(usize),
}

impl HostKey {
    /// Takes a key's encoding.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] if it is none.
    pub fn from_encoded(encoded: Vec<u8>) -> Result<Self, KeyError> {
        let kind = embedded_type(&encoded)?;
        if encoded.len() > MAX_KEY {
            return Err(KeyError::Malformed);
        }
        let known = Algorithm::new(kind.as_str())
            .is_ok_and(|algorithm| !matches!(algorithm, Algorithm::Other(_)));
        if known && PublicKey::from_bytes(&encoded).is_err() {
            return Err(KeyError::Malformed);
        }
        Ok(Self { kind, encoded })
    }

    /// Takes the key of the SSH library.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] if it has no encoding.
    pub fn from_ssh(key: &KeyData) -> Result<Self, KeyError> {
        let key = PublicKey::from(key.clone());
        Self::from_encoded(key.to_bytes().map_err(|_| KeyError::Malformed)?)
    }

    /// Takes type and base64 as they stand in a file.
    pub(super) fn from_words(kind: &[u8], base64: &[u8]) -> Result<Self, KeyError> {
        if kind.is_empty() || base64.is_empty() {
            return Err(KeyError::Missing);
        }
        let encoded = LENIENT.decode(base64).map_err(|_| KeyError::NotBase64)?;
        let key = Self::from_encoded(encoded)?;
        if key.kind.as_str().as_bytes() == kind { Ok(key) } else { Err(KeyError::OtherType) }
    }

    /// Its type.
    pub fn kind(&self) -> &KeyType {
        &self.kind
    }

    /// Its encoding.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Its encoding in base64, as it stands in a file.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.encoded)
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.encoded).into())
    }

    /// Why it cannot be believed; `None` if it can.
    pub fn weakness(&self) -> Option<Weakness> {
        let refused = || Some(Weakness::Type(self.kind.clone()));
        let Ok(key) = PublicKey::from_bytes(&self.encoded) else { return refused() };
        match (key.key_data(), key.algorithm()) {
            (KeyData::Ed25519(_), _)
            | (_, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384 }) => None,
            (KeyData::Rsa(rsa), _) => {
                let bits = rsa.n().as_positive_bytes().map_or(0, bits);
                let accepted = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits);
                (!accepted).then_some(Weakness::RsaBits(bits))
            }
            _ => refused(),
        }
    }
}

/// The length of a number in bits.
fn bits(number: &[u8]) -> usize {
    let leading = number
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - leading
}

/// The type that every encoding begins with.
fn embedded_type(encoded: &[u8]) -> Result<KeyType, KeyError> {
    let (length, rest) = encoded.split_first_chunk().ok_or(KeyError::Malformed)?;
    let length = u32::from_be_bytes(*length) as usize;
    let name = rest.get(..length).ok_or(KeyError::Malformed)?;
    KeyType::parse(name).ok_or(KeyError::Malformed)
}

impl KeyType {
    fn parse(name: &[u8]) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
        if name.is_empty() || name.len() > 64 || !name.iter().all(allowed) {
            return None;
        }
        String::from_utf8(name.to_vec()).ok().map(Self)
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostKey {
    type Err = KeyError;

    /// Takes `type base64`, and a comment that is dropped.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split_ascii_whitespace();
        let mut word = || words.next().unwrap_or_default().as_bytes();
        Self::from_words(word(), word())
    }
}

impl FromStr for Fingerprint {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let base64 = text.strip_prefix("SHA256:").ok_or(KeyError::Malformed)?;
        let digest = LENIENT.decode(base64).map_err(|_| KeyError::NotBase64)?;
        digest.try_into().map(Self).map_err(|_| KeyError::Malformed)
    }
}

impl std::fmt::Display for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.base64())
    }
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({} {})", self.kind, self.fingerprint())
    }
}

impl std::fmt::Display for KeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
