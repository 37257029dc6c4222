//! Who changes a store of host keys, when, and why: for the log, and for the line in everybody's store.

use std::path::Path;
use std::time::{Duration, SystemTime};

use protocol::names::HostSpec;

use super::key::HostKey;

/// Longest line that is kept, in characters: a reason, a comment, the names of a host.
const MAX_LINE: usize = 400;

/// Who changes a store, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The user's name.
    pub who: String,
    /// The time.
    pub when: SystemTime,
    /// The reason, in the user's words; may be empty.
    pub reason: String,
}

impl Note {
    /// A change by `who`, made now.
    pub fn now(who: &str, reason: &str) -> Self {
        Self { who: who.to_owned(), when: SystemTime::now(), reason: reason.to_owned() }
    }

    /// Writes the line in the log that says who changed the store in `file`.
    pub(super) fn log(&self, what: &str, file: &Path, host: &HostSpec, key: Option<&HostKey>) {
        let fingerprint = key.map(|key| key.fingerprint().to_string());
        tracing::info!(
            audit = true,
            who = one_line(&self.who),
            %host,
            file = %file.display(),
            fingerprint,
            reason = one_line(&self.reason),
            "{what}"
        );
    }
}

/// One line: `added by ada 2026-11-21T18:34:03Z: reinstalled`.
impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "added by {} {}", one_line(&self.who), utc(self.when))?;
        let reason = one_line(&self.reason);
        if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
    }
}

/// Text that is no more than a line of a file, a log or a terminal: no controls, nothing that turns or hides other text.
pub(super) fn one_line(text: &str) -> String {
    let ends_a_word = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    let words = text.split(ends_a_word).filter(|word| !word.is_empty());
    words
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(MAX_LINE)
        .collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A time as RFC 3339 writes it, in UTC. The calendar is the proleptic Gregorian one, counted in eras of 400 years that
/// begin on 1 March.
fn utc(when: SystemTime) -> String {
    let since = when
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_with_who_when_and_why() {
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_210_096);
        let note = Note { who: "ada".into(), when, reason: "new\ndisk\u{1b}[31m,\t bought".into() };

        assert_eq!(note.to_string(), "added by ada 2024-02-29T12:34:56Z: new disk [31m, bought");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }
}
