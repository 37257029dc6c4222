//! What is up on this host, read from the files of all labs, whoever owns them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::program::Program;
use crate::running::inside_machine;
use crate::sweep;
use crate::virtual_machine::by_ssh;

/// One machine of some lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its lab's number.
    pub lab: u8,
    /// Its host name.
    pub name: String,
    /// Its address, once it has one.
    pub address: Option<Ipv4Addr>,
    /// The host's number of its PID 1; none if it is off.
    pub leader: Option<i32>,
    /// The process that owns the lab; none if that has ended.
    pub owner: Option<i32>,
    #[serde(skip)]
    directory: PathBuf,
}

/// All machines, by lab and name.
///
/// # Errors
///
/// If the directory of all labs cannot be read.
pub fn list() -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    for lab in sweep::numbers()? {
        let directory = sweep::run_directory()?.join(lab.to_string());
        let owner = if sweep::has_ended(&directory) { None } else { sweep::owner(&directory) };
        for entry in fs::read_dir(directory.join("machines"))
            .into_iter()
            .flatten()
            .flatten()
        {
            found.push(one(lab, owner, entry.path()));
        }
    }
    found.sort_by(|a, b| (a.lab, &a.name).cmp(&(b.lab, &b.name)));
    Ok(found)
}

/// The machine called `name`, or `LAB/name` where several labs have one.
///
/// # Errors
///
/// [`Error::NoSuchMachine`]; [`Error::Refused`] if several have the name.
pub fn find(name: &str) -> Result<Listed> {
    let matches = |machine: &Listed| {
        machine.name == name || format!("{}/{}", machine.lab, machine.name) == name
    };
    let mut found: Vec<Listed> = list()?.into_iter().filter(matches).collect();
    match (found.pop(), found.len()) {
        (Some(machine), 0) => Ok(machine),
        (Some(machine), _) => Err(Error::Refused(format!(
            "several labs have a machine {name}; say {}/{name}",
            machine.lab
        ))),
        (None, _) => Err(Error::NoSuchMachine { name: name.to_owned() }),
    }
}

impl Listed {
    /// A program that is going to run in it as root.
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn program(&self) -> Result<Program> {
        let key = self.directory.join("key");
        if let (Some(address), true) = (self.address, key.exists()) {
            return Ok(by_ssh(address, &key));
        }
        let leader = self.leader.and_then(Pid::from_raw);
        leader
            .map(inside_machine)
            .ok_or_else(|| Error::Off { machine: self.name.clone() })
    }

    /// What its console showed.
    pub fn console(&self) -> String {
        fs::read_to_string(self.directory.join("console")).unwrap_or_default()
    }
}

fn one(lab: u8, owner: Option<i32>, directory: PathBuf) -> Listed {
    let name = directory
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let leader = owner.and_then(|_| number(&directory.join("leader")));
    let address = fs::read_to_string(directory.join("address")).ok();
    let address = address.and_then(|text| text.parse().ok());
    Listed { lab, name, address, leader, owner, directory }
}

fn number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
