//! Mistakes in flags and file: where, what, and what is right.
//!
//! Callers: `config`'s other files collect them, `cli` prints them.

use std::path::PathBuf;

/// Where a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On the command line, in this flag (without dashes).
    Flag(String),
    /// In the configuration file, in this line (counted from 1).
    File(PathBuf, usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// One mistake. Displayed as `PLACE: WHAT`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, with the value and what would be right.
    pub what: String,
}

/// All mistakes, at least one, one a line when displayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Mistakes(pub Vec<Mistake>);

fn lines(mistakes: &[Mistake]) -> String {
    mistakes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
