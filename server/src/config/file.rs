//! The configuration file: TOML to settings with their lines.
//!
//! Caller: `config::table`. Nothing here knows which settings exist.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::Raw;
use super::mistake::{Mistake, Place};

/// Largest configuration file in bytes; a real one is below 10 KiB.
const MOST: u64 = 1 << 20;

/// One key of the file.
pub(super) struct Entry {
    /// Dotted name.
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// Reads the file; what cannot be read or parsed goes to `mistakes`, the rest is returned.
pub(super) fn read(path: &Path, mistakes: &mut Vec<Mistake>) -> Vec<Entry> {
    match content(path) {
        Ok(text) => entries(path, &text, mistakes),
        Err(error) => {
            let place = Place::File(path.to_owned(), 1);
            mistakes.push(Mistake { place, what: format!("cannot be read: {error}") });
            Vec::new()
        }
    }
}

fn content(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MOST)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn entries(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Entry> {
    let place = |span: Range<usize>| Place::File(path.to_owned(), line_of(text, span.start));
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let what = format!("is not TOML: {}", error.message());
        mistakes.push(Mistake { place: place(error.span().unwrap_or(0..0)), what });
    }
    let mut found = Vec::new();
    flatten("", table.get_ref(), &place, &mut found);
    found
}

fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    place: &impl Fn(Range<usize>) -> Place,
    found: &mut Vec<Entry>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if let Some(inner) = value.get_ref().as_table() {
            flatten(&format!("{name}."), inner, place, found);
        } else {
            found.push(Entry { name, raw: raw(value), place: place(key.span()) });
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    let value = value.get_ref();
    if let Some(text) = value.as_str() {
        return Raw::Text(text.to_owned());
    }
    if let Some(integer) = value.as_integer() {
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        return number.map_or(Raw::Other("a number that large"), Raw::Integer);
    }
    let items = value.as_array().map(|items| {
        items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    match items {
        Some(Some(items)) => Raw::List(items),
        Some(None) => Raw::Other("a list of anything but texts"),
        None => Raw::Other(value.type_str()),
    }
}

/// Line of the byte at `offset`, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
