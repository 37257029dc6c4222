//! The decision: whether a machine is the host that it was called.
//!
//! In this order: revoked anywhere, weak, unreadable, then the key in every store. The first store that can say no wins over
//! all that say yes. Design: ssh(1), "VERIFYING HOST KEYS", where it differs a comment says so. Caller: the connection,
//! between key exchange and authentication.

use std::path::Path;
use std::time::SystemTime;

use protocol::names::HostSpec;

use super::algorithms::{Algorithms, Certificates};
use super::certificate;
use super::file::{KnownHostsFile, SSH_KNOWN_HOSTS, SYSTEM_STORE};
use super::key::{HostKey, KeyType};
use super::line::Marker;
use super::listing::Listed;
use super::presented::{HostCertificate, Identity, Presented};
use super::refused::{
    Change, Changed, Damaged, OtherName, Refused, Revoked, Stored, Unknown, Unusable,
};
use super::store::{Entry, Found, HostKeyStore, NameForm, Place, StoreError};

/// Proof that a host showed a key that is stored for it, or a certificate of an authority that is.
///
/// Only [`HostKeys::verify`] makes one, also for the answers [`Unknown::accept`] and [`Changed::replace`]. Authentication
/// takes it by value: no password can be sent before the check, and none twice by one check.
#[derive(Debug)]
#[must_use]
pub struct VerifiedHost {
    host: HostSpec,
    key: HostKey,
    by: VouchedBy,
}

/// What vouched for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VouchedBy {
    /// The key stands in a store.
    Stored(Place),
    /// The authority that signed its certificate does.
    Authority(Place),
}

/// The stores of host keys that count for one user, in the order in which they are asked.
pub struct HostKeys {
    own: KnownHostsFile,
    others: Vec<Box<dyn HostKeyStore>>,
}

impl VerifiedHost {
    /// The host as it was typed.
    pub fn host(&self) -> &HostSpec {
        &self.host
    }

    /// Its key.
    pub fn key(&self) -> &HostKey {
        &self.key
    }

    /// What vouched for it.
    pub fn by(&self) -> &VouchedBy {
        &self.by
    }
}

impl HostKeys {
    /// The user's own `known_hosts` below `home`, the management server's store, and OpenSSH's file for everybody.
    pub fn of_user(home: &Path) -> Self {
        Self::with_own(KnownHostsFile::of_user(home))
    }

    /// The same with another file as the user's own.
    pub fn with_own(own: KnownHostsFile) -> Self {
        let others: [Box<dyn HostKeyStore>; 2] = [
            Box::new(KnownHostsFile::for_everybody(Path::new(SYSTEM_STORE))),
            Box::new(KnownHostsFile::read_only(Path::new(SSH_KNOWN_HOSTS))),
        ];
        Self::new(own, others.into())
    }

    /// `own`, which answers go into, and then the others in order.
    pub fn new(own: KnownHostsFile, others: Vec<Box<dyn HostKeyStore>>) -> Self {
        Self { own, others }
    }

    /// The user's own file.
    pub fn own(&self) -> &KnownHostsFile {
        &self.own
    }

    fn stores(&self) -> impl Iterator<Item = &dyn HostKeyStore> {
        let others = self.others.iter().map(Box::as_ref);
        std::iter::once(&self.own as &dyn HostKeyStore).chain(others)
    }

    fn find(&self, host: &HostSpec) -> Result<Vec<Found>, Refused> {
        self.stores()
            .map(|store| {
                store
                    .find(host)
                    .map_err(|error| Damaged::Store(error).into())
            })
            .collect()
    }

    /// Everything that counts for `host`, for a person to see. Waits for a disk.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a store cannot be read.
    pub fn listed(&self, host: &HostSpec) -> Result<Vec<Listed>, StoreError> {
        let name = host.to_string();
        let mut listed = Vec::new();
        for store in self.stores() {
            let found = store.find(host)?;
            listed.extend(
                found
                    .entries
                    .iter()
                    .map(|entry| Listed::found(entry, &name)),
            );
            let damaged = found.damaged.iter();
            listed.extend(damaged.map(|entry| Listed::damaged(&entry.place, &name, entry.damage)));
        }
        Ok(listed)
    }

    /// What `host` is to be offered. Waits for a disk.
    ///
    /// # Errors
    ///
    /// [`Refused::Damaged`] if a store cannot be read, [`Refused::Unusable`] if all that is stored for the host is of types
    /// that are not accepted: nothing may be offered then.
    pub fn algorithms_for(&self, host: &HostSpec) -> Result<Algorithms, Refused> {
        let found = self.find(host)?;
        let entries = |marker| entries(&found, marker).map(|entry| entry.key.kind());
        let types: Vec<&KeyType> = entries(Marker::None).collect();
        let has_authority = entries(Marker::Authority).next().is_some();
        let certificates = if has_authority { Certificates::Yes } else { Certificates::No };
        if types.is_empty() && !has_authority {
            return Ok(Algorithms::all());
        }
        Algorithms::for_known(&types, certificates).ok_or_else(|| {
            let types = types.into_iter().cloned().collect();
            Unusable::StoredTypes { host: host.clone(), types }.into()
        })
    }

    /// Whether the machine is the host that it was called. Reads the stores now; waits for a disk.
    ///
    /// # Errors
    ///
    /// [`Refused`]: it is not, or nobody can say.
    pub fn verify(&self, presented: &Presented, now: SystemTime) -> Result<VerifiedHost, Refused> {
        let found = self.find(presented.host())?;
        refuse_revoked(presented, &found)?;
        if let Some(weakness) = presented.key().weakness() {
            return Err(Unusable::Weak(weakness).into());
        }
        refuse_unreadable_revocations(presented, &found)?;
        let by_key = self.verify_key(presented, &found);
        let Identity::Certificate(shown) = presented.identity() else { return by_key };
        // As in ssh(1), a key that is stored itself needs no certificate, and one without a trusted authority is a key.
        let authority = trusted_authority(shown, &found);
        match (by_key, authority) {
            (Ok(verified), _) => Ok(verified),
            (Err(refused), None) | (Err(refused @ Refused::Damaged(_)), Some(_)) => Err(refused),
            (Err(_), Some(place)) => {
                certificate::check(shown, presented.host(), now).map_err(Unusable::Certificate)?;
                Ok(verified(presented, VouchedBy::Authority(place)))
            }
        }
    }

    /// The presented key by itself.
    fn verify_key(&self, presented: &Presented, found: &[Found]) -> Result<VerifiedHost, Refused> {
        let verdicts: Vec<Verdict> = found.iter().map(|found| judge(presented, found)).collect();
        let stored = || entries(found, Marker::None).map(stored).collect();
        let changed = |how| {
            let presented = presented.clone();
            Refused::Changed(Box::new(Changed { presented, how, stored: stored() }))
        };
        let says = |wanted: fn(&Verdict) -> bool| verdicts.iter().any(wanted);
        let matching = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Match(place) => Some(place.clone()),
            Verdict::OtherKey | Verdict::OtherType | Verdict::Nothing => None,
        });
        let other_key = says(|verdict| matches!(verdict, Verdict::OtherKey));
        match matching {
            Some(_) if other_key => return Err(changed(Change::StoresDisagree)),
            Some(place) => return Ok(verified(presented, VouchedBy::Stored(place))),
            None => {}
        }
        refuse_damaged(presented, found)?;
        if other_key {
            return Err(changed(Change::OtherKey));
        }
        if says(|verdict| matches!(verdict, Verdict::OtherType)) {
            return Err(changed(Change::OtherType));
        }
        if let Some(place) = stored_for_port_22(presented, found) {
            return Ok(verified(presented, VouchedBy::Stored(place)));
        }
        refuse_lost(presented, found)?;
        Err(Refused::Unknown(Box::new(self.unknown(presented, found)?)))
    }

    fn unknown(&self, presented: &Presented, found: &[Found]) -> Result<Unknown, Damaged> {
        let mut other_names = Vec::new();
        for store in self.stores() {
            let names = store.names_with(presented.key())?.into_iter();
            other_names.extend(names.map(|(place, name)| OtherName { name, place }));
        }
        let authority = entries(found, Marker::Authority)
            .next()
            .map(|entry| entry.place.clone());
        Ok(Unknown { presented: presented.clone(), other_names, authority })
    }
}

/// What one store says of a key.
enum Verdict {
    Match(Place),
    OtherKey,
    OtherType,
    Nothing,
}

fn judge(presented: &Presented, found: &Found) -> Verdict {
    let key = presented.key();
    let entries: Vec<&Entry> = entries(std::slice::from_ref(found), Marker::None).collect();
    if let Some(entry) = entries.iter().find(|entry| entry.key == *key) {
        return Verdict::Match(entry.place.clone());
    }
    if entries.iter().any(|entry| entry.key.kind() == key.kind()) {
        return Verdict::OtherKey;
    }
    if entries.is_empty() { Verdict::Nothing } else { Verdict::OtherType }
}

/// The entries with `marker` that name the host with its port.
fn entries(found: &[Found], marker: Marker) -> impl Iterator<Item = &Entry> {
    found
        .iter()
        .flat_map(|found| &found.entries)
        .filter(move |entry| entry.marker == marker && entry.form == NameForm::Full)
}

/// As ssh(1) does: a host on another port may show the key that is stored for port 22. What is stored for port 22 never
/// makes it *changed*, though: another service may run there.
fn stored_for_port_22(presented: &Presented, found: &[Found]) -> Option<Place> {
    found
        .iter()
        .flat_map(|found| &found.entries)
        .find(|entry| entry.marker == Marker::None && entry.key == *presented.key())
        .map(|entry| entry.place.clone())
}

fn trusted_authority(shown: &HostCertificate, found: &[Found]) -> Option<Place> {
    entries(found, Marker::Authority)
        .find(|entry| entry.key == *shown.authority())
        .map(|entry| entry.place.clone())
}

/// Whatever else is stored, and for whichever port.
fn refuse_revoked(presented: &Presented, found: &[Found]) -> Result<(), Refused> {
    let authority = match presented.identity() {
        Identity::Certificate(shown) => Some(shown.authority()),
        Identity::Key(_) => None,
    };
    let is_shown = |entry: &&Entry| entry.key == *presented.key() || Some(&entry.key) == authority;
    let revoked = found
        .iter()
        .flat_map(|found| &found.entries)
        .filter(|entry| entry.marker == Marker::Revoked)
        .find(is_shown);
    match revoked {
        None => Ok(()),
        Some(entry) => Err(Refused::Revoked(Box::new(Revoked {
            host: presented.host().clone(),
            key: entry.key.clone(),
            place: entry.place.clone(),
        }))),
    }
}

/// A revocation that names the host and cannot be read may be of this very key.
fn refuse_unreadable_revocations(presented: &Presented, found: &[Found]) -> Result<(), Damaged> {
    let unreadable = |marker: Option<Marker>| matches!(marker, Some(Marker::Revoked));
    let mut damaged = found.iter().flat_map(|found| &found.damaged);
    match damaged.find(|entry| unreadable(entry.marker)) {
        Some(entry) => Err(damaged_entry(presented, &entry.place, entry.damage)),
        None => Ok(()),
    }
}

fn refuse_damaged(presented: &Presented, found: &[Found]) -> Result<(), Damaged> {
    let mut damaged = found.iter().flat_map(|found| &found.damaged);
    match damaged.find(|entry| entry.form == NameForm::Full) {
        Some(entry) => Err(damaged_entry(presented, &entry.place, entry.damage)),
        None => Ok(()),
    }
}

/// Where an entry for the host may have been and cannot be read, it is not unknown.
fn refuse_lost(presented: &Presented, found: &[Found]) -> Result<(), Damaged> {
    match found.iter().find_map(|found| found.lost.as_ref()) {
        Some((place, damage)) => Err(damaged_entry(presented, place, *damage)),
        None => Ok(()),
    }
}

fn damaged_entry(presented: &Presented, place: &Place, damage: super::line::Damage) -> Damaged {
    Damaged::Entry { host: presented.host().clone(), place: place.clone(), damage }
}

fn verified(presented: &Presented, by: VouchedBy) -> VerifiedHost {
    VerifiedHost { host: presented.host().clone(), key: presented.key().clone(), by }
}

fn stored(entry: &Entry) -> Stored {
    Stored { key: entry.key.clone(), place: entry.place.clone() }
}
