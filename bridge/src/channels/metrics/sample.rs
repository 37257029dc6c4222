//! Samples: the figures of one moment, read from the kernel's files.
//!
//! Called on a thread where waiting is allowed. A file that is not there (another kernel, a container) leaves its
//! figures out; they read as unavailable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use super::catalog::Group;

/// Figures by name.
#[derive(Debug, Default)]
pub(super) struct Sample(HashMap<&'static str, Reading>);

/// A figure, or one for each device.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    One(f64),
    Many(BTreeMap<String, f64>),
}

/// Bytes in a sector of `/proc/diskstats`, whatever the disk's own are (Documentation/admin-guide/iostats.rst).
const SECTOR: f64 = 512.0;

/// File systems whose size says nothing, or whose server may not answer.
const SKIPPED_FILE_SYSTEMS: [&str; 12] = [
    "autofs", "cifs", "devtmpfs", "efivarfs", "fuse", "nfs", "nfs4", "overlay", "ramfs", "smb3",
    "squashfs", "tmpfs",
];

impl Sample {
    /// Reads what the groups need.
    pub(super) fn take(groups: BTreeSet<Group>) -> Self {
        let mut sample = Self::default();
        for group in groups {
            match group {
                Group::Cpu => sample.cpu(),
                Group::Temperature => sample.temperature(),
                Group::Memory => sample.memory(),
                Group::Disk => sample.disk(),
                Group::Network => sample.network(),
                Group::Mount => sample.mount(),
                Group::Cgroup => sample.cgroup(Path::new("/sys/fs/cgroup")),
            }
        }
        sample
    }

    /// The figure of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Reading> {
        self.0.get(name)
    }

    #[cfg(test)]
    pub(super) fn of(name: &'static str, reading: Reading) -> Self {
        Self(HashMap::from([(name, reading)]))
    }

    fn one(&mut self, name: &'static str, value: f64) {
        self.0.insert(name, Reading::One(value));
    }

    fn instance(&mut self, name: &'static str, instance: &str, value: f64) {
        let reading = self
            .0
            .entry(name)
            .or_insert_with(|| Reading::Many(BTreeMap::new()));
        if let Reading::Many(instances) = reading {
            instances.insert(instance.to_owned(), value);
        }
    }

    /// `proc_stat(5)`: user nice system idle iowait, in clock ticks.
    fn cpu(&mut self) {
        let tick = 1_000.0 / number(rustix::param::clock_ticks_per_second());
        for line in read("/proc/stat").lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(name) = words.next().filter(|name| name.starts_with("cpu")) else { continue };
            let ticks: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
            let &[user, nice, system, _idle, iowait, ..] = ticks.as_slice() else { continue };
            if name == "cpu" {
                self.one("cpu.basic.user", user * tick);
                self.one("cpu.basic.nice", nice * tick);
                self.one("cpu.basic.system", system * tick);
                self.one("cpu.basic.iowait", iowait * tick);
            } else {
                self.instance("cpu.core.user", name, user * tick);
                self.instance("cpu.core.nice", name, nice * tick);
                self.instance("cpu.core.system", name, system * tick);
                self.instance("cpu.core.iowait", name, iowait * tick);
            }
        }
    }

    /// Kernel document `hwmon/sysfs-interface`: `tempN_input` in thousandths of a degree.
    fn temperature(&mut self) {
        for sensor in entries("/sys/class/hwmon") {
            let directory = Path::new("/sys/class/hwmon").join(&sensor);
            let kind = read(directory.join("name"));
            if !["coretemp", "cpu_thermal", "k8temp", "k10temp"].contains(&kind.trim()) {
                continue;
            }
            for file in entries(&directory) {
                let Some(input) = file
                    .strip_suffix("_input")
                    .filter(|file| file.starts_with("temp"))
                else {
                    continue;
                };
                if let Ok(value) = read(directory.join(&file)).trim().parse::<f64>() {
                    let label = read(directory.join(format!("{input}_label")));
                    let label = if label.trim().is_empty() { input } else { label.trim() };
                    self.instance("cpu.temperature", label, value / 1_000.0);
                }
            }
        }
    }

    /// `proc_meminfo(5)`, in KiB.
    fn memory(&mut self) {
        let text = read("/proc/meminfo");
        let values: HashMap<&str, f64> = text
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                let value: f64 = value.split_ascii_whitespace().next()?.parse().ok()?;
                Some((name, value * 1_024.0))
            })
            .collect();
        let value = |name: &str| values.get(name).copied();
        let sum = |one: &str, other: &str| Some(value(one)? + value(other)?);
        let difference = |whole: &str, part: &str| Some(value(whole)? - value(part)?);
        for (name, value) in [
            ("memory.free", value("MemFree")),
            ("memory.used", difference("MemTotal", "MemAvailable")),
            ("memory.cached", sum("Buffers", "Cached")),
            ("memory.swap-used", difference("SwapTotal", "SwapFree")),
        ] {
            if let Some(value) = value {
                self.one(name, value);
            }
        }
    }

    /// Kernel document `admin-guide/iostats`: major minor name, then reads, merged, sectors read, time, writes, merged,
    /// sectors written.
    fn disk(&mut self) {
        let (mut read_all, mut written_all) = (0.0, 0.0);
        for line in read("/proc/diskstats").lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let &[_, _, name, _, _, read, _, _, _, written, ..] = words.as_slice() else {
                continue;
            };
            let (Ok(read), Ok(written)) = (read.parse::<f64>(), written.parse::<f64>()) else {
                continue;
            };
            let (read, written) = (read * SECTOR, written * SECTOR);
            self.instance("block.device.read", name, read);
            self.instance("block.device.written", name, written);
            // Whole disks that are hardware: what lies on them would be counted twice.
            if Path::new("/sys/block").join(name).join("device").exists() {
                self.instance("disk.dev.read", name, read);
                self.instance("disk.dev.written", name, written);
                read_all += read;
                written_all += written;
            }
        }
        self.one("disk.all.read", read_all);
        self.one("disk.all.written", written_all);
    }

    /// `proc_pid_net(5)`, `dev`: interface: bytes received, seven more, bytes sent.
    fn network(&mut self) {
        let (mut rx_all, mut tx_all) = (0.0, 0.0);
        for line in read("/proc/net/dev").lines() {
            let Some((name, figures)) = line.split_once(':') else { continue };
            let figures: Vec<f64> = figures
                .split_ascii_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let &[rx, _, _, _, _, _, _, _, tx, ..] = figures.as_slice() else { continue };
            let name = name.trim();
            self.instance("network.interface.rx", name, rx);
            self.instance("network.interface.tx", name, tx);
            if name != "lo" {
                rx_all += rx;
                tx_all += tx;
            }
        }
        self.one("network.all.rx", rx_all);
        self.one("network.all.tx", tx_all);
    }

    /// `proc_pid_mountinfo(5)` and statvfs(3).
    fn mount(&mut self) {
        let mut seen = BTreeSet::new();
        for line in read("/proc/self/mountinfo").lines() {
            let Some((mount, source)) = line.split_once(" - ") else { continue };
            let (Some(device), Some(point)) =
                (mount.split(' ').nth(2), mount.split(' ').nth(4).map(unescaped))
            else {
                continue;
            };
            let kind = source.split(' ').next().unwrap_or_default();
            let kind = kind.split('.').next().unwrap_or_default();
            if device.starts_with("0:") && kind != "btrfs" && kind != "zfs"
                || SKIPPED_FILE_SYSTEMS.contains(&kind)
                || !seen.insert(device.to_owned())
            {
                continue;
            }
            if let Ok(size) = rustix::fs::statvfs(point.as_str()) {
                let total = number(size.f_blocks.saturating_mul(size.f_frsize));
                let free = number(size.f_bfree.saturating_mul(size.f_frsize));
                self.instance("mount.total", &point, total);
                self.instance("mount.used", &point, total - free);
            }
        }
    }

    /// Kernel document `admin-guide/cgroup-v2`; groups by their path below the root, services and slices alike.
    fn cgroup(&mut self, root: &Path) {
        let mut waiting = vec![root.to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(entry.path());
                }
            }
            let Ok(name) = directory.strip_prefix(root) else { continue };
            let Some(name) = name.to_str().filter(|name| !name.is_empty()) else { continue };
            self.one_cgroup(&directory, name);
        }
    }

    fn one_cgroup(&mut self, directory: &Path, name: &str) {
        for (figure, file) in [
            ("cgroup.memory.usage", "memory.current"),
            ("cgroup.memory.limit", "memory.max"),
            ("cgroup.memory.sw-usage", "memory.swap.current"),
            ("cgroup.memory.sw-limit", "memory.swap.max"),
            ("cgroup.cpu.shares", "cpu.weight"),
        ] {
            if let Ok(value) = read(directory.join(file)).trim().parse::<f64>() {
                self.instance(figure, name, value);
            }
        }
        let usage = read(directory.join("cpu.stat"));
        let usage = usage
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        if let Some(Ok(usage)) = usage.map(str::parse::<f64>) {
            self.instance("cgroup.cpu.usage", name, usage / 1_000.0);
        }
        let (mut bytes_read, mut bytes_written, mut any) = (0.0, 0.0, false);
        for word in read(directory.join("io.stat")).split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("rbytes", value)) => bytes_read += value.parse().unwrap_or(0.0),
                Some(("wbytes", value)) => bytes_written += value.parse().unwrap_or(0.0),
                Some(_) | None => continue,
            }
            any = true;
        }
        if any {
            self.instance("disk.cgroup.read", name, bytes_read);
            self.instance("disk.cgroup.written", name, bytes_written);
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn entries(directory: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A mount point without the octal escapes of mountinfo.
fn unescaped(field: &str) -> String {
    let mut plain = Vec::new();
    let mut rest = field.as_bytes();
    while let [byte, after @ ..] = rest {
        if let (b'\\', [a, b, c, beyond @ ..]) = (byte, after)
            && let Ok(code) = std::str::from_utf8(&[*a, *b, *c])
                .map_or(Err(()), |digits| u8::from_str_radix(digits, 8).map_err(|_| ()))
        {
            plain.push(code);
            rest = beyond;
        } else {
            plain.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles; 9 PB stay exact")]
fn number(count: u64) -> f64 {
    count as f64
}

#[test]
fn this_machine_has_a_processor_memory_and_a_network_interface() {
    let sample = Sample::take([Group::Cpu, Group::Memory, Group::Network].into());
    assert!(matches!(sample.get("cpu.basic.user"), Some(Reading::One(value)) if *value > 0.0));
    assert!(matches!(sample.get("memory.used"), Some(Reading::One(value)) if *value > 0.0));
    let Some(Reading::Many(interfaces)) = sample.get("network.interface.rx") else { panic!() };
    assert!(interfaces.contains_key("lo"));
}

#[test]
fn mount_points_are_unescaped() {
    assert_eq!(unescaped(r"/media/my\040disk\134\x"), r"/media/my disk\\x");
}
