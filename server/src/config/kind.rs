//! Kinds of settings: how a text or number becomes a value, and which are refused.
//!
//! Each kind carries its range and the one place in [`Config`] where the value goes, so a row of the table says
//! everything about its setting. Caller: `config::table`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// A flag's text or a TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A repeated flag or a TOML array of strings.
    List(Vec<String>),
    /// Anything else that TOML has, by its name.
    Other(&'static str),
}

/// What a setting takes and where it goes. An error is what is wrong, without the place.
pub enum Kind {
    /// A number of things.
    Count(RangeInclusive<u64>, fn(&mut Config, usize)),
    /// Bytes: a number, or with `KiB`, `MiB`, `GiB`.
    Bytes(RangeInclusive<u64>, fn(&mut Config, usize)),
    /// A time: seconds, or with `s`, `m`, `h`.
    Time(RangeInclusive<u64>, fn(&mut Config, Duration)),
    /// One of these words.
    Choice(&'static [&'static str], fn(&mut Config, &str)),
    /// An absolute path; an empty text is "not set".
    Path(fn(&mut Config, Option<PathBuf>)),
    /// Text of one or more lines up to so many bytes.
    Text(usize, fn(&mut Config, String)),
    /// Socket addresses, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
    Addresses(fn(&mut Config, Vec<SocketAddr>)),
    /// Host names without a port.
    Names(fn(&mut Config, Vec<String>)),
    /// Origins, `https://NAME[:PORT]`, or `*` alone.
    Origins(fn(&mut Config, Vec<String>)),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.takes())
    }
}

impl Kind {
    /// What a user may write, for help and messages.
    pub fn takes(&self) -> String {
        match self {
            Self::Count(range, _) => format!("a number from {} to {}", range.start(), range.end()),
            Self::Bytes(range, _) => {
                format!("bytes from {} to {}, as 4096, 64KiB or 2MiB", range.start(), range.end())
            }
            Self::Time(range, _) => {
                format!(
                    "a time from {} to {} seconds, as 90, 90s, 15m or 12h",
                    range.start(),
                    range.end()
                )
            }
            Self::Choice(words, _) => format!("one of {}", words.join(", ")),
            Self::Path(_) => "an absolute path".to_owned(),
            Self::Text(most, _) => format!("a text of at most {most} bytes"),
            Self::Addresses(_) => "addresses with port, as 0.0.0.0:9090 or [::]:9090".to_owned(),
            Self::Names(_) => "host names without port".to_owned(),
            Self::Origins(_) => "origins, as https://name:port, or * alone".to_owned(),
        }
    }

    /// Whether the flag may be repeated and the file may hold an array.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Addresses(_) | Self::Names(_) | Self::Origins(_))
    }

    /// Checks `raw` and puts it into `config`.
    pub(super) fn apply(&self, raw: Raw, config: &mut Config) -> Result<(), String> {
        match self {
            Self::Count(range, set) => set(config, size(within(range, number(&raw, &[]), self)?)),
            Self::Bytes(range, set) => set(config, size(within(range, number(&raw, BYTES), self)?)),
            Self::Time(range, set) => {
                set(config, Duration::from_secs(within(range, number(&raw, SECONDS), self)?));
            }
            Self::Choice(words, set) => {
                let word = text(raw, self)?;
                if !words.contains(&word.as_str()) {
                    return Err(format!("\"{word}\" is not {}", self.takes()));
                }
                set(config, &word);
            }
            Self::Path(set) => set(config, path(&text(raw, self)?, self)?),
            Self::Text(most, set) => {
                let words = text(raw, self)?;
                if words.len() > *most || words.contains('\0') {
                    return Err(format!("is {} bytes long, not {}", words.len(), self.takes()));
                }
                set(config, words);
            }
            Self::Addresses(set) => set(config, each(raw, self, |item| item.parse().ok())?),
            Self::Names(set) => set(config, each(raw, self, host_name)?),
            Self::Origins(set) => set(config, each(raw, self, origin)?),
        }
        Ok(())
    }
}

const BYTES: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const SECONDS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3_600)];

fn number(raw: &Raw, units: &[(&str, u64)]) -> Result<u64, String> {
    let written = match raw {
        Raw::Integer(number) => {
            return u64::try_from(*number).map_err(|_| format!("{number}"));
        }
        Raw::Text(text) => text,
        Raw::List(_) => return Err("a list".to_owned()),
        Raw::Other(kind) => return Err((*kind).to_owned()),
    };
    let (digits, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((written.strip_suffix(suffix)?, *unit)))
        .unwrap_or((written, 1));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = plain
        .then(|| digits.parse::<u64>().ok()?.checked_mul(unit))
        .flatten();
    value.ok_or_else(|| format!("\"{written}\""))
}

fn within(
    range: &RangeInclusive<u64>,
    number: Result<u64, String>,
    kind: &Kind,
) -> Result<u64, String> {
    match number {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) => Err(format!("{number} is not {}", kind.takes())),
        Err(written) => Err(format!("{written} is not {}", kind.takes())),
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn text(raw: Raw, kind: &Kind) -> Result<String, String> {
    match raw {
        Raw::Text(text) => Ok(text),
        Raw::Integer(number) => Err(format!("{number} is not {}", kind.takes())),
        Raw::List(_) => Err(format!("a list is not {}", kind.takes())),
        Raw::Other(other) => Err(format!("{other} is not {}", kind.takes())),
    }
}

fn path(text: &str, kind: &Kind) -> Result<Option<PathBuf>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(Some(path))
    } else {
        Err(format!("\"{text}\" is not {}", kind.takes()))
    }
}

fn each<T>(raw: Raw, kind: &Kind, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let items = match raw {
        Raw::Text(text) if text.is_empty() => Vec::new(),
        Raw::Text(text) => vec![text],
        Raw::List(items) => items,
        Raw::Integer(number) => return Err(format!("{number} is not {}", kind.takes())),
        Raw::Other(other) => return Err(format!("{other} is not {}", kind.takes())),
    };
    items
        .iter()
        .map(|item| parse(item).ok_or_else(|| format!("\"{item}\" is not {}", kind.takes())))
        .collect()
}

/// LDH labels and `_` up to 253 bytes, in lower case, without a trailing dot.
fn host_name(text: &str) -> Option<String> {
    crate::admission::HostName::parse(text).map(|name| name.as_str().to_owned())
}

/// Scheme and authority in lower case as a browser sends them: without the scheme's own port and without a path.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    crate::admission::Origin::parse(text).map(|origin| origin.to_string())
}
