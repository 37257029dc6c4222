//! The way to a machine: the machines that are passed, each with the user there and that user's keys.
//!
//! Made from the name that was typed and `~/.ssh/config`. As in ssh(1) the first machine of a `ProxyJump` may have a way of
//! its own. Nothing is connected here. Called by `reach`.

use std::path::{Path, PathBuf};

use protocol::names::{HostSpec, UserName};

use super::config::{Settings, settings};
use super::dial::Hop;
use super::failure::Failure;

/// Most machines on one way.
const LONGEST_WAY: usize = 8;

/// One machine on the way.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) hop: Hop,
    /// The user there.
    pub(super) user: String,
    /// Key files that the configuration names for it.
    pub(super) identity_files: Vec<PathBuf>,
}

/// A whole way; the last is the machine that was named.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) stops: Vec<Stop>,
    /// What the user may miss of their configuration.
    pub(super) warnings: Vec<String>,
}

/// Whether a machine's own `ProxyJump` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jumps {
    Count,
    AreKnown,
}

impl Way {
    /// The way to `typed` for the user `own_name`.
    pub(super) fn to(typed: &HostSpec, home: &Path, own_name: &str) -> Result<Self, Failure> {
        let mut way = Self { stops: Vec::new(), warnings: Vec::new() };
        way.add(typed, home, own_name, Jumps::Count)?;
        Ok(way)
    }

    fn add(
        &mut self,
        typed: &HostSpec,
        home: &Path,
        own_name: &str,
        jumps: Jumps,
    ) -> Result<(), Failure> {
        let found = settings(home, typed).map_err(|error| Failure::Config(error.to_string()))?;
        let Settings { host_name, user, port, identity_files, jumps: over, warnings } = found;
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        if jumps == Jumps::Count {
            for (position, jump) in over.iter().enumerate() {
                let own_jumps = if position == 0 { Jumps::Count } else { Jumps::AreKnown };
                if self.stops.len() >= LONGEST_WAY || jump == typed {
                    return Err(Failure::Config(format!(
                        "the way to {typed} leads over too many machines"
                    )));
                }
                self.add(jump, home, own_name, own_jumps)?;
            }
        }
        let place = HostSpec::new(host_name.unwrap_or_else(|| typed.host().clone()))
            .with_port(typed.port().or(port));
        let named = typed.user().cloned().or(user);
        let user = named.map_or_else(|| own_name.to_owned(), |user: UserName| user.to_string());
        self.stops
            .push(Stop { hop: Hop { typed: typed.clone(), place }, user, identity_files });
        Ok(())
    }
}
