//! The distributions a machine can be.

use serde::{Deserialize, Serialize};

/// A release of Debian.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Debian 11.
    #[value(name = "debian11", alias = "bullseye")]
    Bullseye,
    /// Debian 12.
    #[value(name = "debian12", alias = "bookworm")]
    Bookworm,
    /// Debian 13.
    #[value(name = "debian13", alias = "trixie")]
    Trixie,
}

impl Release {
    /// As the archive names it.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// As a machine of it is named if nobody says otherwise.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "debian11",
            Self::Bookworm => "debian12",
            Self::Trixie => "debian13",
        }
    }
}
