//! A place where host keys are kept, whoever keeps it.
//!
//! A user's `known_hosts`, the management server's store and OpenSSH's own file are such places; `verdict` asks them all.
//! The calls wait for a disk: asynchronous callers run them on a thread for blocking work.

use std::path::PathBuf;

use protocol::names::HostSpec;

use super::key::HostKey;
use super::line::{Damage, Marker};
use super::names::Naming;
use super::note::Note;

/// A place where host keys are kept.
pub trait HostKeyStore: Send + Sync {
    /// What the store says of `host` now.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store cannot be asked, and what it says is not known.
    fn find(&self, host: &HostSpec) -> Result<Found, StoreError>;

    /// The names under which the store holds `key`, as far as they can be read, with their places.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be asked.
    fn names_with(&self, key: &HostKey) -> Result<Vec<(Place, String)>, StoreError>;

    /// Adds `key` for `host`; nothing happens if it is there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it was not stored; then the store is as it was.
    fn add(&self, host: &HostSpec, key: &HostKey, note: &Note) -> Result<(), StoreError>;

    /// Removes `host` from what names it, and tells how many entries did. Entries that name it by a pattern, and those of
    /// authorities and revoked keys, stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if nothing was removed; then the store is as it was.
    fn remove(&self, host: &HostSpec, what: &Removal, note: &Note) -> Result<usize, StoreError>;

    /// The whole store in the format of `known_hosts`(8).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be asked.
    fn export(&self) -> Result<Vec<u8>, StoreError>;
}

/// What a store says of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries that name it.
    pub entries: Vec<Entry>,
    /// The entries that name it and cannot be read.
    pub damaged: Vec<DamagedEntry>,
    /// A place where an entry for this host may have been: damage of which nobody can say whom it concerns.
    pub lost: Option<(Place, Damage)>,
}

/// One entry that names a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says of the key.
    pub marker: Marker,
    /// The key.
    pub key: HostKey,
    /// Whether it names that host alone or by a pattern.
    pub naming: Naming,
    /// Whether it names the host with its port.
    pub form: NameForm,
    /// Where it stands.
    pub place: Place,
    /// The rest of the line.
    pub comment: String,
}

/// An entry that names a host and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEntry {
    /// Its marker, if that can be read.
    pub marker: Option<Marker>,
    /// Whether it names the host with its port.
    pub form: NameForm,
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub damage: Damage,
}

/// Whether an entry names the host as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// With the port that was asked for (port 22 is never written).
    Full,
    /// Without it: the entry is for port 22, where another was asked for.
    WithoutPort,
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, the first is 1; `None` if it is about the whole file.
    pub line: Option<usize>,
}

/// Which of a host's entries are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal<'a> {
    /// All of them, also those that cannot be read.
    All,
    /// The one with this key.
    Key(&'a HostKey),
}

impl Found {
    /// Whether the host has `key` here.
    pub fn has_key(&self, key: &HostKey) -> bool {
        self.keys().any(|entry| entry.key == *key)
    }

    /// The entries that say which keys the host has, as it was asked for.
    pub fn keys(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.marker == Marker::None && entry.form == NameForm::Full)
    }
}

/// Why a store cannot be asked or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read.
    #[error("{} cannot be read: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is larger than what is read.
    #[error("{} is larger than {limit} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Somebody else holds the lock.
    #[error("{} is being changed by somebody else", file.display())]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// A line that was to be imported cannot be read.
    #[error("line {line} of what is imported: {reason}")]
    Damaged {
        /// The line, the first is 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is only read.
    #[error("{} is only read, its administrator changes it", file.display())]
    ReadOnly {
        /// The file.
        file: PathBuf,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}
