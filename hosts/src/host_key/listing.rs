//! The entries of a store one by one, for people and for programs that ask for JSON.
//!
//! Text from a file is made harmless for a terminal (security rule T43). Caller: the command `pilothouse hostkeys`.

use std::path::Path;

use serde::Serialize;

use super::line::{Damage, Line, Marker};
use super::note::one_line;
use super::store::{Entry, Place};
use super::text::Text;

/// One entry, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Whom it names: patterns with commas between them, or `|1|…` for a hashed name.
    pub names: String,
    /// `key`, `authority` or `revoked`.
    pub marker: &'static str,
    /// The type of the key; empty if it cannot be read.
    pub kind: String,
    /// `SHA256:…`; empty if the key cannot be read.
    pub fingerprint: String,
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The rest of the line.
    pub comment: String,
    /// Why it cannot be used, if it cannot.
    pub damage: Option<String>,
}

impl Listed {
    /// An entry that was found for `name`.
    pub fn found(entry: &Entry, name: &str) -> Self {
        Self {
            names: name.to_owned(),
            marker: marker_word(entry.marker),
            kind: entry.key.kind().to_string(),
            fingerprint: entry.key.fingerprint().to_string(),
            file: entry.place.file.display().to_string(),
            line: entry.place.line.unwrap_or_default(),
            comment: one_line(&entry.comment),
            damage: None,
        }
    }

    /// An entry that cannot be read.
    pub fn damaged(place: &Place, name: &str, damage: Damage) -> Self {
        Self {
            names: name.to_owned(),
            marker: marker_word(Marker::None),
            kind: String::new(),
            fingerprint: String::new(),
            file: place.file.display().to_string(),
            line: place.line.unwrap_or_default(),
            comment: String::new(),
            damage: Some(damage.to_string()),
        }
    }
}

/// All entries of a text, those that cannot be read included.
pub(super) fn list(text: &Text<'_>, file: &Path) -> Vec<Listed> {
    text.lines()
        .filter_map(|(number, line)| {
            listed(line, &Place { file: file.to_owned(), line: Some(number) })
        })
        .collect()
}

fn listed(line: &[u8], place: &Place) -> Option<Listed> {
    let entry = match Line::parse(line) {
        Line::Blank => return None,
        Line::Nameless => return Some(Listed::damaged(place, "", Damage::Names)),
        Line::Entry(entry) => entry,
    };
    let names = one_line(&entry.names.to_string());
    Some(match (entry.marker, entry.key()) {
        (Err(damage), _) | (Ok(_), Err(damage)) => Listed::damaged(place, &names, damage),
        (Ok(marker), Ok(key)) => Listed {
            names,
            marker: marker_word(marker),
            kind: key.kind().to_string(),
            fingerprint: key.fingerprint().to_string(),
            file: place.file.display().to_string(),
            line: place.line.unwrap_or_default(),
            comment: one_line(&entry.comment()),
            damage: None,
        },
    })
}

fn marker_word(marker: Marker) -> &'static str {
    match marker {
        Marker::None => "key",
        Marker::Authority => "authority",
        Marker::Revoked => "revoked",
    }
}
