//! Why a host is not believed: what is shown, and what may be done about it.
//!
//! Each case is a type of its own, with what a person needs to decide. What they may do stands in `answer`.

use protocol::names::HostSpec;
use protocol::problem::Problem;

use super::certificate::CertificateFault;
use super::key::{Fingerprint, HostKey, KeyError, KeyType, Weakness};
use super::line::Damage;
use super::presented::Presented;
use super::store::{Place, StoreError};

/// Why there is no [`super::VerifiedHost`].
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No store knows the host.
    #[error(transparent)]
    Unknown(Box<Unknown>),
    /// It is known, by another key.
    #[error(transparent)]
    Changed(Box<Changed>),
    /// Its key must never be believed.
    #[error(transparent)]
    Revoked(Box<Revoked>),
    /// What is stored of it cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// What it showed is believed from nobody.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// A host of which no key is stored. A person may vouch for it: [`Unknown::accept`].
#[derive(Debug, thiserror::Error)]
#[error("host key of {} is not known: {} {}", presented.host(), self.key().kind(), self.key().fingerprint())]
pub struct Unknown {
    pub(super) presented: Presented,
    pub(super) other_names: Vec<OtherName>,
    pub(super) authority: Option<Place>,
}

/// A host that showed another key than the stored one. It may be replaced, as an act of its own: [`Changed::replace`].
#[derive(Debug, thiserror::Error)]
#[error(
    "host key of {} changed: pinned {}, presented {}",
    presented.host(), fingerprints(stored), self.key().fingerprint()
)]
pub struct Changed {
    pub(super) presented: Presented,
    pub(super) how: Change,
    pub(super) stored: Vec<Stored>,
}

/// In which way a key is not the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Keys of that type are stored, and it is none of them.
    OtherKey,
    /// Only keys of other types are stored.
    OtherType,
    /// One store has it, another store has a different one of that type.
    StoresDisagree,
}

/// A key that is stored for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The key.
    pub key: HostKey,
    /// Where it stands.
    pub place: Place,
}

/// A host that showed a revoked key, or a certificate of a revoked authority.
#[derive(Debug, thiserror::Error)]
#[error("host key of {host} is revoked ({place}): {}", key.fingerprint())]
pub struct Revoked {
    /// The host as it was typed.
    pub host: HostSpec,
    /// The revoked key.
    pub key: HostKey,
    /// Where it is revoked.
    pub place: Place,
}

/// What is stored cannot be read, so nobody can say whether the host is known.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// An entry for the host, or one of which nobody can say whom it names.
    #[error("an entry for {host} may stand at {place}, and cannot be read: {damage}")]
    Entry {
        /// The host as it was typed.
        host: HostSpec,
        /// Where it stands.
        place: Place,
        /// What is wrong.
        damage: Damage,
    },
    /// A whole store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key or certificate that is believed from nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Broken type, or too short.
    #[error("the host key cannot be used: {0}")]
    Weak(Weakness),
    /// A certificate in a certificate.
    #[error("the host showed a certificate inside of a certificate")]
    Nested,
    /// No encoding of a key.
    #[error("the host key cannot be used: {0}")]
    Malformed(KeyError),
    /// A certificate of a trusted authority that is not valid.
    #[error("the host's certificate cannot be used: {0}")]
    Certificate(CertificateFault),
    /// All keys that are stored for the host are of types that are not accepted.
    #[error("the stored keys of {host} are of types that are not accepted: {}", listed(.types))]
    StoredTypes {
        /// The host as it was typed.
        host: HostSpec,
        /// The types.
        types: Vec<KeyType>,
    },
}

/// A name under which the presented key is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherName {
    /// The name, as it stands in the store: several with commas between them, or a pattern.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

impl Refused {
    /// The code for pages. A host that no store knows is [`Problem::UnknownHostkey`]; whether the page hears of it as
    /// `unknown-host` is the channel's decision (docs/protocol.md).
    pub fn problem(&self) -> Problem {
        match self {
            Self::Unknown(_) => Problem::UnknownHostkey,
            Self::Changed(_) | Self::Revoked(_) | Self::Damaged(_) | Self::Unusable(_) => {
                Problem::InvalidHostkey
            }
        }
    }
}

impl Unknown {
    /// The host as it was typed, where it was reached, and what it showed.
    pub fn presented(&self) -> &Presented {
        &self.presented
    }

    /// The key in question; an answer must repeat it.
    pub fn key(&self) -> &HostKey {
        self.presented.key()
    }

    /// The same key under other names. Never a reason to accept it, but one to look twice.
    pub fn other_names(&self) -> &[OtherName] {
        &self.other_names
    }

    /// Where an authority for such hosts is stored: this one should have shown a certificate, and did not.
    pub fn authority(&self) -> Option<&Place> {
        self.authority.as_ref()
    }
}

impl Changed {
    /// The host as it was typed, where it was reached, and what it showed.
    pub fn presented(&self) -> &Presented {
        &self.presented
    }

    /// The key that was presented.
    pub fn key(&self) -> &HostKey {
        self.presented.key()
    }

    /// In which way it is not the stored one.
    pub fn how(&self) -> Change {
        self.how
    }

    /// All keys that are stored for the host. Never empty.
    pub fn stored(&self) -> &[Stored] {
        &self.stored
    }
}

fn fingerprints(stored: &[Stored]) -> String {
    let all: Vec<Fingerprint> = stored
        .iter()
        .map(|stored| stored.key.fingerprint())
        .collect();
    all.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn listed(types: &[KeyType]) -> String {
    types
        .iter()
        .map(KeyType::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
