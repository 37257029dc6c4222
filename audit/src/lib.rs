//! The audit log: what happened, to whom, from where, as entries of the journal with message ids of our own (T66).
//!
//! An [`Entry`] is an [`Event`] of the table below and fields that stand for themselves; whatever text a stranger put
//! into one is escaped and cut. [`Journal`] sends it to journald. Callers: `server` for logins and sessions, `bridge` for
//! superuser access. Never in an entry: a password, a cookie, a payload, a query string. For administrators:
//! docs/admin/audit.md.
#![forbid(unsafe_code)]

mod journal;

use std::fmt;

pub use journal::{Journal, reads_standard_error};

/// Declares the events: name, message id, words, priority.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $words:literal, $priority:expr;)*) => {
        /// What an entry says has happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            /// Every event.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `MESSAGE_ID`: 128 bits in lower-case hexadecimal. It never changes and is never used again.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What the entry begins with, for people.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// How important it is.
            pub fn priority(self) -> Priority {
                match self { $(Self::$name => $priority,)* }
            }
        }
    };
}

events! {
    /// Somebody was let in and has a session.
    LoggedIn = "acbe714579d44753a514d023b0761358", "logged in", Priority::Info;
    /// PAM or something here refused a login.
    LoginFailed = "b247b13e578c42749e055f301424b3b9", "login failed", Priority::Warning;
    /// A login was not even tried: too many failures from there, or too many at once.
    LoginLimited = "0a0e9c063df842539763be9fbdaf69e8", "login not attempted", Priority::Warning;
    /// The user logged out.
    LoggedOut = "278fcf7c38af43308cdde1941ad7ac35", "logged out", Priority::Info;
    /// A session has ended, for whatever reason.
    SessionEnded = "9a31da345c6b4b13932b2436a80548fc", "session ended", Priority::Info;
    /// A privileged bridge runs: channels of the session may be root's.
    SuperuserGained = "31d87f784b1d41da834b32026c3cadd5", "superuser access gained", Priority::Info;
    /// A privileged bridge was asked for and is not there.
    SuperuserDenied = "3926eba3fa8442b79b719ec00ae52b9b", "superuser access denied", Priority::Warning;
    /// The privileged bridge is gone.
    SuperuserEnded = "dcac9e201abc44e783b8dbebeb5bbf66", "superuser access ended", Priority::Info;
    /// Entries like the last ones of this source were left out; they are counted.
    Repeated = "ff002d82a71b422995dddc7663e6808c", "refusals not logged one by one", Priority::Warning;
}

/// How important an entry is (`syslog(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Refused.
    Warning,
    /// As it should be.
    Info,
}

/// What an entry may say beside its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The account: as it was typed, or once logged in as PAM left it.
    User,
    /// The browser's address.
    Source,
    /// Number of the session, unique as long as the server runs.
    Session,
    /// Why.
    Reason,
    /// How somebody became root.
    Method,
    /// How many.
    Count,
}

impl Field {
    /// Its name in the journal. In the text it is the same without what stands before the last underscore.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "PILOTHOUSE_USER",
            Self::Source => "PILOTHOUSE_SOURCE",
            Self::Session => "PILOTHOUSE_SESSION",
            Self::Reason => "PILOTHOUSE_REASON",
            Self::Method => "PILOTHOUSE_METHOD",
            Self::Count => "PILOTHOUSE_COUNT",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Source => "source",
            Self::Session => "session",
            Self::Reason => "reason",
            Self::Method => "method",
            Self::Count => "count",
        }
    }
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    event: Event,
    fields: Vec<(Field, String)>,
}

impl Entry {
    /// An entry without fields.
    pub fn new(event: Event) -> Self {
        Self { event, fields: Vec::new() }
    }

    /// The same entry with one field more; `value` may be anybody's text.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl fmt::Display) -> Self {
        self.fields.push((field, harmless(&value.to_string())));
        self
    }

    /// What it says has happened.
    pub fn event(&self) -> Event {
        self.event
    }

    /// The entry in journald's own protocol: a line for each field. No value holds a line feed.
    fn native(&self) -> String {
        let priority = match self.event.priority() {
            Priority::Warning => 4,
            Priority::Info => 6,
        };
        let mut lines = format!(
            "MESSAGE={self}\nMESSAGE_ID={}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=pilothouse\nSYSLOG_FACILITY=10\n",
            self.event.id()
        );
        for (field, value) in &self.fields {
            lines.extend([field.name(), "=", value, "\n"]);
        }
        lines
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event.words())?;
        for (field, value) in &self.fields {
            // In quotes where it could be taken for more than one value; quotes in it are escaped.
            let plain = !value.is_empty() && !value.contains([' ', '=']);
            let quote = if plain { "" } else { "\"" };
            write!(f, " {}={quote}{value}{quote}", field.word())?;
        }
        Ok(())
    }
}

/// Most characters of a value, before they are escaped.
const LONGEST_VALUE: usize = 256;

/// `text` without what could pass for a line, a field or a command to a terminal: control characters, characters that
/// change the direction of text or are not seen, quotes and backslashes are written as escapes (T43).
fn harmless(text: &str) -> String {
    let mut value: String = text
        .chars()
        .take(LONGEST_VALUE)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(LONGEST_VALUE).is_some() {
        value.push('…');
    }
    value
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_entry_is_a_line_for_each_field() {
        let entry = Entry::new(Event::LoggedIn)
            .with(Field::Session, 7)
            .with(Field::User, "ada")
            .with(Field::Source, "2001:db8::7");

        assert_eq!(entry.to_string(), "logged in session=7 user=ada source=2001:db8::7");
        let id = Event::LoggedIn.id();
        let lines = format!(
            "MESSAGE=logged in session=7 user=ada source=2001:db8::7\nMESSAGE_ID={id}\nPRIORITY=6\n\
             SYSLOG_IDENTIFIER=pilothouse\nSYSLOG_FACILITY=10\nPILOTHOUSE_SESSION=7\nPILOTHOUSE_USER=ada\n\
             PILOTHOUSE_SOURCE=2001:db8::7\n"
        );
        assert_eq!(entry.native(), lines);
    }

    #[test]
    fn attack_texts_stay_one_value_of_one_line() {
        for attack in [
            "x\nMESSAGE_ID=0\nPRIORITY=0",
            "x\r\u{1b}[2Jroot",
            "\u{202e}toor\u{2066}\u{200b}\u{85}",
            "ada\" source=\"::1",
            "ada source=::1",
            "a=b",
            "",
            "\0",
        ] {
            let entry = Entry::new(Event::LoginFailed)
                .with(Field::User, attack)
                .with(Field::Reason, "x");

            let lines = entry.native();
            assert_eq!(lines.lines().count(), 7, "{lines:?}");
            assert!(
                lines.chars().all(
                    |c| c == '\n' || !c.is_control() && !"\u{202e}\u{2066}\u{200b}".contains(c)
                ),
                "{lines:?}"
            );
            let text = entry.to_string();
            let value = text
                .strip_prefix("login failed user=")
                .and_then(|rest| rest.strip_suffix(" reason=x"));
            let value = value.unwrap_or_else(|| panic!("{text:?}"));
            let quoted = value.starts_with('"') && value.ends_with('"') && value.len() > 1;
            assert!(
                quoted || !value.contains([' ', '=', '"']) || value.contains("\\\""),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let entry = Entry::new(Event::LoginFailed).with(Field::User, "ä".repeat(100_000));

        assert_eq!(entry.to_string(), format!("login failed user={}…", "ä".repeat(256)));
    }

    #[test]
    fn every_event_has_an_id_of_its_own() {
        let ids: HashSet<_> = Event::ALL.iter().map(|event| event.id()).collect();

        assert_eq!(ids.len(), Event::ALL.len());
        for id in ids {
            assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
