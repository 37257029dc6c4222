//! The processes of a server and their memory, from `/proc` (proc(5)).

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Which processes belong to a server.
#[derive(Clone)]
pub(crate) enum Processes {
    /// This one and all that descend from it.
    Tree(u32),
    /// All with this word in their command line.
    Named(&'static str),
}

/// Memory in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Its share: pages that n processes map count one nth.
    pub(crate) proportional: u64,
    /// Pages that no other process maps.
    pub(crate) private: u64,
}

impl Processes {
    /// Their ids.
    pub(crate) fn ids(&self) -> Result<Vec<u32>> {
        let ids = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        Ok(match self {
            Self::Named(word) => {
                let own = std::process::id();
                ids.filter(|&id| id != own && command_line(id).contains(word))
                    .collect()
            }
            Self::Tree(root) => {
                let parents: HashMap<u32, u32> =
                    ids.filter_map(|id| Some((id, parent(id)?))).collect();
                let descends = |mut id: u32| {
                    while id != *root {
                        match parents.get(&id) {
                            Some(parent) => id = *parent,
                            None => return false,
                        }
                    }
                    true
                };
                parents.keys().copied().filter(|&id| descends(id)).collect()
            }
        })
    }

    /// The memory of all of them.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let each = self.ids()?.into_iter().filter_map(|id| memory(id).ok());
        Ok(each.fold(Memory::default(), |sum, one| Memory {
            proportional: sum.proportional + one.proportional,
            private: sum.private + one.private,
        }))
    }
}

/// The memory of one process.
pub(crate) fn memory(id: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line
            .and_then(|line| line.split_whitespace().next())
            .context("a number")?;
        anyhow::Ok(number.parse::<u64>()? << 10)
    };
    Ok(Memory {
        proportional: field("Pss:")?,
        private: field("Private_Clean:")? + field("Private_Dirty:")?,
    })
}

fn command_line(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
