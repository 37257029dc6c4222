//! Sweeping up: files of labs whose owner has ended.
//!
//! Processes, mounts and networks of an ended lab are gone already ([`crate::enclosure`]); directories and empty
//! control groups are not. An owner has ended when its lock can be taken. Only under the one lock of
//! [`lock_all`] are labs made and swept, so that a lab in the making is never mistaken for an ended one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cache::{Cache, remove_tree};
use crate::cgroup;
use crate::error::{Doing as _, Result};
use crate::process::Identity;
use crate::program::Program;

/// How long the first process of an ended lab may take to go.
const GOING: Duration = Duration::from_secs(10);

/// The directory of all labs on this host, whoever started them: their numbers must differ.
///
/// # Errors
///
/// If it is not there and cannot be made.
pub fn run_directory() -> Result<PathBuf> {
    let path = PathBuf::from("/run/pilothouse-lab");
    fs::create_dir_all(&path).doing("make", &path)?;
    Ok(path)
}

/// Waits until nobody else makes or sweeps labs.
pub(crate) fn lock_all() -> Result<File> {
    let path = run_directory()?.join("lock");
    let file = File::create(&path).doing("open", &path)?;
    file.lock().doing("lock", &path)?;
    Ok(file)
}

/// Start of the names of a lab's control groups and machines.
pub(crate) fn group_prefix(number: u8) -> String {
    format!("pilothouse-lab-{number}-")
}

/// Writes down who owns a lab and what its first process is.
pub(crate) fn note_owner(directory: &Path, first: Identity) -> Result<()> {
    let path = directory.join("owner");
    let owner = Identity::of(rustix::process::getpid());
    let text = serde_json::json!({ "owner": owner, "first": first }).to_string();
    fs::write(&path, text).doing("write", &path)
}

/// The numbers of all labs, ended or not.
pub(crate) fn numbers() -> Result<Vec<u8>> {
    let all = run_directory()?;
    let entries = fs::read_dir(&all).doing("read", &all)?;
    let mut numbers: Vec<u8> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What is mounted in all labs that run, one mount a line.
pub(crate) fn mounts() -> Result<String> {
    let mut text = String::new();
    for number in numbers()? {
        let directory = run_directory()?.join(number.to_string());
        if let Some(first) = noted(&directory, "first").filter(|first| first.is_alive()) {
            let path = format!("/proc/{}/mounts", first.pid().as_raw_nonzero());
            text += &fs::read_to_string(path).unwrap_or_default();
        }
    }
    Ok(text)
}

/// Removes all that ended labs left, and returns their numbers.
pub(crate) fn ended_labs(cache: &Cache) -> Result<Vec<u8>> {
    let mut swept = Vec::new();
    for number in numbers()? {
        let directory = run_directory()?.join(number.to_string());
        if has_ended(&directory) {
            sweep(cache, number, &directory)?;
            swept.push(number);
        }
    }
    Ok(swept)
}

/// Whether nobody holds a lab's lock. Asked by a shared lock, so that two who ask do not take each other for owners.
pub(crate) fn has_ended(directory: &Path) -> bool {
    match File::open(directory.join("lock")) {
        Ok(lock) => lock.try_lock_shared().is_ok(),
        Err(_) => true,
    }
}

fn sweep(cache: &Cache, number: u8, directory: &Path) -> Result<()> {
    end_first_process(directory);
    let cable = format!("lab{number}");
    if Path::new("/sys/class/net").join(&cable).exists() {
        drop(Program::new("ip").args(["link", "del", &cable]).finish());
    }
    cgroup::remove_leftovers(&group_prefix(number));
    remove_tree(&cache.directory("live")?.join(number.to_string()))?;
    remove_tree(directory)
}

/// Whom a lab belongs to, by number, whether it still runs or not.
pub(crate) fn owner(directory: &Path) -> Option<i32> {
    noted(directory, "owner").map(|owner| owner.pid().as_raw_nonzero().get())
}

fn noted(directory: &Path, name: &str) -> Option<Identity> {
    let text = fs::read_to_string(directory.join("owner")).ok()?;
    let noted: serde_json::Value = serde_json::from_str(&text).ok()?;
    serde_json::from_value(noted.get(name)?.clone()).ok()
}

/// It ends by itself with its owner; this waits until it has, and helps if it hangs.
fn end_first_process(directory: &Path) {
    let Some(first) = noted(directory, "first") else { return };
    let until = Instant::now() + GOING;
    while first.is_alive() && Instant::now() < until {
        first.signal(Signal::KILL);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Removes what ended labs left; returns their numbers.
///
/// # Errors
///
/// What the system refused.
pub fn sweep_ended() -> Result<Vec<u8>> {
    let _alone = lock_all()?;
    ended_labs(&Cache::of_this_computer())
}
