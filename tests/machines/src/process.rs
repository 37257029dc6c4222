//! Processes seen from the host: whose child, in which namespace, and still the same one?
//!
//! A pid is reused; an [`Identity`] is a pid with the time at which its process started, so that nothing of
//! somebody else's is ever signalled. Source: proc(5).

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pid: i32,
    /// In clock ticks since the host booted.
    started: u64,
}

impl Identity {
    /// Of a process that runs.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let pid = pid.as_raw_nonzero().get();
        Some(Self { pid, started: start_time(pid)? })
    }

    /// Of the process with this number, if it runs.
    pub fn of_number(pid: i32) -> Option<Self> {
        Pid::from_raw(pid).and_then(Self::of)
    }

    /// Its number on the host.
    pub(crate) fn pid(self) -> Pid {
        Pid::from_raw(self.pid).unwrap_or(Pid::INIT)
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Its proportional set size in bytes; nothing when it has ended.
    pub(crate) fn memory(self) -> u64 {
        let text =
            fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .unwrap_or_default();
        let kib: u64 = line.trim_end_matches("kB").trim().parse().unwrap_or(0);
        kib << 10
    }

    /// Sends a signal, unless it has ended. The descriptor is taken before the look at the start time, so
    /// that the number cannot change hands in between.
    pub fn signal(self, signal: Signal) {
        if let Ok(descriptor) = pidfd_open(self.pid(), PidfdFlags::empty())
            && self.is_alive()
        {
            let _gone_meanwhile = pidfd_send_signal(descriptor, signal);
        }
    }
}

/// Children of all threads of a process.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{}/task", pid.as_raw_nonzero());
    let mut found = Vec::new();
    for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(
            text.split_whitespace()
                .filter_map(|word| Pid::from_raw(word.parse().ok()?)),
        );
    }
    found
}

/// The process's number in each namespace, the host's first.
pub(crate) fn numbers(pid: Pid) -> Vec<i32> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .unwrap_or_default();
    line.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The capabilities outside a process's bounding set, as setpriv(1) drops them: `-cap_25,-cap_26`. All of them
/// for a process that has ended.
pub(crate) fn missing_capabilities(pid: Pid) -> String {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    let bounding = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .unwrap_or("0");
    let bounding = u64::from_str_radix(bounding.trim(), 16).unwrap_or(0);
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    let last: u32 = last.trim().parse().unwrap_or(40);
    let missing = (0..=last).filter(|number| bounding & (1 << number) == 0);
    missing
        .map(|number| format!("-cap_{number}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// All processes in the process namespace of `pid`, with their names (cut at 15 bytes by the kernel).
pub(crate) fn in_namespace_of(pid: Pid) -> Vec<(Identity, String)> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(wanted) = namespace(pid.as_raw_nonzero().get()) else {
        return Vec::new();
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            (namespace(number)? == wanted).then_some(())?;
            let name = fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
            Some((Identity::of(Pid::from_raw(number)?)?, name.trim_end().to_owned()))
        })
        .collect()
}

/// Field 22 of `/proc/PID/stat`; a zombie has ended. The name in field 2 may hold blanks and brackets.
fn start_time(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[test]
fn this_process_is_alive_and_another_start_time_is_not_it() {
    let me = Identity::of(rustix::process::getpid()).unwrap();

    assert!(me.is_alive());
    assert!(!Identity { started: me.started + 1, ..me }.is_alive());
    assert_eq!(numbers(me.pid()).first(), Some(&me.pid));
}
