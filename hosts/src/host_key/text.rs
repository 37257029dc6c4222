//! The text of a `known_hosts` file, and what it says of one host.
//!
//! Pure: bytes come in. Every line stands for itself; one that cannot be read hides no other. Callers: `file`, `edit`.

use std::path::Path;

use protocol::names::{HostSpec, Port};

use super::key::HostKey;
use super::line::{Damage, EntryLine, Line, Marker};
use super::names::{Names, Naming, known_as};
use super::store::{DamagedEntry, Entry, Found, NameForm, Place};

/// A `known_hosts` file as bytes.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl<'a> Text<'a> {
    /// The lines without their ends, the first is 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let whole = self.0.strip_suffix(b"\n").unwrap_or(self.0);
        let empty = self.0.is_empty();
        (1..)
            .zip(whole.split(|&byte| byte == b'\n'))
            .take_while(move |_| !empty)
    }

    /// What the file says of `host`. `file` is only named in the result.
    pub(super) fn find(&self, file: &Path, host: &HostSpec) -> Found {
        let full = known_as(host);
        let without_port = host.host().to_string();
        let mut found = Found::default();
        for (number, line) in self.lines() {
            let place = || Place { file: file.to_owned(), line: Some(number) };
            let entry = match Line::parse(line) {
                Line::Blank => continue,
                Line::Nameless => {
                    found.lost.get_or_insert_with(|| (place(), Damage::Names));
                    continue;
                }
                Line::Entry(entry) => entry,
            };
            let as_full = entry
                .names
                .naming(&full)
                .map(|naming| (naming, NameForm::Full));
            let named = as_full.or_else(|| {
                let naming = has_port(host).then(|| entry.names.naming(&without_port))??;
                Some((naming, NameForm::WithoutPort))
            });
            if let Some((naming, form)) = named {
                found.add(&entry, naming, form, place());
            }
        }
        if let Some(number) = self.cut_off() {
            let place = Place { file: file.to_owned(), line: Some(number) };
            found.lost.get_or_insert((place, Damage::CutOff));
        }
        found
    }

    /// The last line, if the file ends in the middle of it.
    fn cut_off(&self) -> Option<usize> {
        let (number, line) = self.lines().last()?;
        let ended = self.0.ends_with(b"\n");
        (!ended && !Line::parse(line).is_whole()).then_some(number)
    }

    /// Whom else the file gives `key`, by names that can be read.
    pub(super) fn names_with(&self, key: &HostKey) -> Vec<(usize, String)> {
        let base64 = key.base64();
        let mut names = Vec::new();
        for (number, line) in self.lines() {
            if let Line::Entry(entry) = Line::parse(line)
                && entry.marker == Ok(Marker::None)
                && entry.has_base64(&base64)
                && let Names::Patterns(patterns) = &entry.names
            {
                names.push((number, patterns.clone()));
            }
        }
        names
    }

    /// Whether names are hashed here: one hashed name, and whoever keeps the file wants them so.
    pub(super) fn is_hashed(&self) -> bool {
        self.lines().any(|(_, line)| {
            matches!(Line::parse(line), Line::Entry(EntryLine { names: Names::Hashed { .. }, .. }))
        })
    }
}

fn has_port(host: &HostSpec) -> bool {
    host.port().is_some_and(|port| port != Port::SSH)
}

impl Found {
    fn add(&mut self, line: &EntryLine<'_>, naming: Naming, form: NameForm, place: Place) {
        let damaged =
            |damage| DamagedEntry { marker: line.marker.ok(), form, place: place.clone(), damage };
        match (line.marker, line.key()) {
            (Err(damage), _) | (Ok(_), Err(damage)) => self.damaged.push(damaged(damage)),
            (Ok(marker), Ok(key)) => {
                let comment = line.comment();
                self.entries
                    .push(Entry { marker, key, naming, form, place, comment });
            }
        }
    }
}
