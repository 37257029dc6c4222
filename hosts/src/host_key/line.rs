//! One line of `known_hosts`, read as leniently as ssh(1) reads it, and no more.
//!
//! A line that cannot be read still says whom it names where that is possible, so that damage never makes a host unknown.
//! Format: sshd(8), "`SSH_KNOWN_HOSTS` FILE FORMAT". Callers: `text`, `edit`.

use super::key::{HostKey, KeyError};
use super::names::Names;

/// What a line says about the keys on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// The host has this key.
    None,
    /// This key signs the certificates of such hosts: `@cert-authority`.
    Authority,
    /// This key must never be believed: `@revoked`.
    Revoked,
}

/// Why a line cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The key on it is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It begins with a word behind `@` that we do not know.
    #[error("the line has an unknown marker")]
    Marker,
    /// Whom it names cannot be read.
    #[error("the names on the line cannot be read")]
    Names,
    /// The file ends in the middle of it.
    #[error("the file ends in the middle of the line")]
    CutOff,
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing, or a comment.
    Blank,
    /// A line that names hosts. Its key was not read yet: most lines are for other hosts.
    Entry(EntryLine<'a>),
    /// A line of which nobody can say whom it names.
    Nameless,
}

/// The parts of a line that names hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryLine<'a> {
    /// The marker, or the reason why it is none.
    pub(super) marker: Result<Marker, Damage>,
    /// Whom it names.
    pub(super) names: Names,
    /// Where the field of names stands in the line, in bytes.
    pub(super) names_at: std::ops::Range<usize>,
    kind: &'a [u8],
    base64: &'a [u8],
    comment: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let mut words = Words { line: line.strip_suffix(b"\r").unwrap_or(line), at: 0 };
        let mut names = words.next();
        if words.slice(&names).is_empty() || words.slice(&names).starts_with(b"#") {
            return Self::Blank;
        }
        let mut marker = Ok(Marker::None);
        if let Some(word) = words.slice(&names).strip_prefix(b"@") {
            marker = match word {
                b"cert-authority" => Ok(Marker::Authority),
                b"revoked" => Ok(Marker::Revoked),
                _ => Err(Damage::Marker),
            };
            names = words.next();
        }
        let Some(parsed) = Names::parse(words.slice(&names)) else { return Self::Nameless };
        let (kind, base64) = (words.next(), words.next());
        let comment = words.next().start..words.line.len();
        Self::Entry(EntryLine {
            marker,
            names: parsed,
            names_at: names,
            kind: words.slice(&kind),
            base64: words.slice(&base64),
            comment: words.slice(&comment),
        })
    }

    /// Whether a line without its newline is whole all the same: no more than a comment can be missing.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Blank => true,
            Self::Nameless => false,
            Self::Entry(entry) => entry.marker.is_ok() && entry.key().is_ok(),
        }
    }
}

impl EntryLine<'_> {
    /// The key on it.
    pub(super) fn key(&self) -> Result<HostKey, Damage> {
        Ok(HostKey::from_words(self.kind, self.base64)?)
    }

    /// Whether the key on it is the one with this base64, without reading it whole.
    pub(super) fn has_base64(&self, base64: &str) -> bool {
        self.base64 == base64.as_bytes()
    }

    /// What stands behind the key.
    pub(super) fn comment(&self) -> String {
        String::from_utf8_lossy(self.comment).trim_end().to_owned()
    }
}

/// Words with spaces or tabs between them.
struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// Where the next word stands; an empty range at the end of the line.
    fn next(&mut self) -> std::ops::Range<usize> {
        let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let rest = self.slice(&(self.at..self.line.len()));
        let start = self.at + rest.iter().take_while(|byte| is_blank(byte)).count();
        let rest = self.slice(&(start..self.line.len()));
        let end = start + rest.iter().take_while(|byte| !is_blank(byte)).count();
        self.at = end;
        start..end
    }

    fn slice(&self, range: &std::ops::Range<usize>) -> &'a [u8] {
        self.line.get(range.clone()).unwrap_or_default()
    }
}
