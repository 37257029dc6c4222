//! Host keys: who a machine is, before anything is told to it.
//!
//! [`HostKeys`] asks the stores in the order in which ssh(1) asks them and either returns a [`VerifiedHost`], without which
//! nobody is authenticated, or a [`Refused`] that says what was found. Unknown, changed, revoked and damaged are different
//! answers; whatever cannot be read or decided is refused. Nothing here connects anywhere but `scan`, which never logs in.
//!
//! Security rules T23 and T32. The files are those of sshd(8), "`SSH_KNOWN_HOSTS` FILE FORMAT".

mod algorithms;
mod answer;
mod certificate;
mod edit;
mod file;
mod key;
mod line;
mod listing;
mod names;
mod note;
mod presented;
mod refused;
mod scan;
mod store;
mod text;
mod verdict;

pub use self::algorithms::Algorithms;
pub use self::answer::AnswerError;
pub use self::certificate::CertificateFault;
pub use self::edit::edits_hold;
pub use self::file::{KnownHostsFile, SSH_KNOWN_HOSTS, SYSTEM_STORE};
pub use self::key::{Fingerprint, HostKey, KeyError, KeyType, Weakness};
pub use self::line::{Damage, Marker};
pub use self::listing::Listed;
pub use self::names::Naming;
pub use self::note::Note;
pub use self::presented::{HostCertificate, Identity, Presented};
pub use self::refused::{
    Change, Changed, Damaged, OtherName, Refused, Revoked, Stored, Unknown, Unusable,
};
pub use self::scan::{Scan, ScanError, scan};
pub use self::store::{
    DamagedEntry, Entry, Found, HostKeyStore, NameForm, Place, Removal, StoreError,
};
pub use self::verdict::{HostKeys, VerifiedHost, VouchedBy};
