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
    /// All, the oldest first.
    const ALL: [Self; 3] = [Self::Bullseye, Self::Bookworm, Self::Trixie];

    /// This release, or the first later one whose C library is as new as `libc`, `getconf GNU_LIBC_VERSION` of the host:
    /// programs that were built there run on no older one. The newest when none is.
    pub(crate) fn with_libc(self, libc: &str) -> Self {
        let needed = minor_version(libc);
        let mut later = Self::ALL.into_iter().filter(|release| *release >= self);
        let fits = |release: &Self| needed.is_none_or(|needed| release.libc() >= needed);
        later
            .clone()
            .find(fits)
            .or(later.next_back())
            .unwrap_or(self)
    }

    /// The second number of its C library's version; the first is 2.
    fn libc(self) -> u32 {
        match self {
            Self::Bullseye => 31,
            Self::Bookworm => 36,
            Self::Trixie => 41,
        }
    }

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

/// 36 of `glibc 2.36`; none of another library's version.
fn minor_version(libc: &str) -> Option<u32> {
    libc.trim().strip_prefix("glibc 2.")?.parse().ok()
}

#[test]
fn a_program_runs_on_the_release_it_was_built_on_and_later_ones() {
    assert_eq!(Release::Bullseye.with_libc("glibc 2.31\n"), Release::Bullseye);
    assert_eq!(Release::Bookworm.with_libc("glibc 2.36"), Release::Bookworm);
    assert_eq!(Release::Trixie.with_libc("glibc 2.36"), Release::Trixie);
    assert_eq!(Release::Bookworm.with_libc("glibc 2.41"), Release::Trixie);
    assert_eq!(Release::Bookworm.with_libc("glibc 2.99"), Release::Trixie);
    assert_eq!(Release::Bookworm.with_libc("musl"), Release::Bookworm);
}
