//! Changes of the text of a `known_hosts` file: bytes in, bytes out.
//!
//! Every line that is not meant stays as it is, byte for byte; so does every name that is not meant on a line that is.
//! Caller: `file`.

use std::collections::HashSet;
use std::path::Path;

use protocol::names::HostSpec;

use super::key::HostKey;
use super::line::{EntryLine, Line, Marker};
use super::names::{DIGEST, Names, Naming, known_as};
use super::store::Removal;
use super::text::Text;

/// The text with a line for `host` behind all others. `salt` hashes the name if the file has hashed names.
pub(super) fn with_entry(
    text: &[u8],
    host: &HostSpec,
    key: &HostKey,
    comment: &str,
    salt: [u8; DIGEST],
) -> Vec<u8> {
    let name = known_as(host);
    let names =
        if Text(text).is_hashed() { Names::hashed(&name, salt) } else { Names::Patterns(name) };
    let mut changed = text.to_vec();
    if !changed.is_empty() && !changed.ends_with(b"\n") {
        changed.push(b'\n');
    }
    changed.extend(format!("{names} {key}").bytes());
    if !comment.is_empty() {
        changed.push(b' ');
        changed.extend(comment.bytes());
    }
    changed.push(b'\n');
    changed
}

/// The text with those entries of `source` behind all others that it does not have yet, and how many they were.
pub(super) fn with_lines(text: &[u8], source: &Text<'_>) -> (Vec<u8>, usize) {
    let mut there: HashSet<&[u8]> = Text(text)
        .lines()
        .map(|(_, line)| without_end(line))
        .collect();
    let mut changed = text.to_vec();
    let mut added = 0;
    for (_, line) in source.lines() {
        let line = without_end(line);
        if Line::parse(line) == Line::Blank || !there.insert(line) {
            continue;
        }
        if !changed.is_empty() && !changed.ends_with(b"\n") {
            changed.push(b'\n');
        }
        changed.extend(line);
        changed.push(b'\n');
        added += 1;
    }
    (changed, added)
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The text without `host`, and how many lines named it. A line that names others too keeps them.
///
/// Lines with a marker and lines that name it by a pattern stay.
pub(super) fn without_host(text: &[u8], host: &HostSpec, what: Removal<'_>) -> (Vec<u8>, usize) {
    let name = known_as(host);
    let mut changed = Vec::with_capacity(text.len());
    let mut removed = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        match Line::parse(content) {
            Line::Entry(entry) if is_meant(&entry, &name, what) => {
                removed += 1;
                changed.extend(without_name(line, &entry, &name));
            }
            Line::Entry(_) | Line::Blank | Line::Nameless => changed.extend(line),
        }
    }
    (changed, removed)
}

fn is_meant(entry: &EntryLine<'_>, name: &str, what: Removal<'_>) -> bool {
    let names_it = entry.names.naming(name) == Some(Naming::Exactly);
    let is_key = match what {
        Removal::All => true,
        Removal::Key(key) => entry.key().as_ref() == Ok(key),
    };
    names_it && is_key && matches!(entry.marker, Ok(Marker::None))
}

/// The line with the other names on it; nothing if there is no other.
fn without_name(line: &[u8], entry: &EntryLine<'_>, name: &str) -> Vec<u8> {
    let Names::Patterns(patterns) = &entry.names else { return Vec::new() };
    let others: Vec<&str> = patterns
        .split(',')
        .filter(|pattern| !pattern.eq_ignore_ascii_case(name))
        .collect();
    if others.iter().all(|pattern| pattern.starts_with('!')) {
        return Vec::new();
    }
    let before = line.get(..entry.names_at.start).unwrap_or_default();
    let behind = line.get(entry.names_at.end..).unwrap_or_default();
    [before, others.join(",").as_bytes(), behind].concat()
}

/// Whether edits of any bytes do what they promise: what is added is found, what is removed is gone, all else stays. For
/// fuzzing.
pub fn edits_hold(text: &[u8], host: &HostSpec, key: &HostKey) -> bool {
    let with = with_entry(text, host, key, "", [0; DIGEST]);
    let (without, _) = without_host(&with, host, Removal::All);
    let (again, none_left) = without_host(&without, host, Removal::All);
    let found = Text(&with).find(Path::new("with"), host);
    let left = Text(&without).find(Path::new("without"), host);
    with.starts_with(text)
        && found.has_key(key)
        && left.keys().all(|entry| entry.naming == Naming::ByPattern)
        && (none_left, again) == (0, without)
}
