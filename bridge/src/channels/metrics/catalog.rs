//! The figures that there are: name, unit, and which file group they are read with.

/// One figure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its name on the wire.
    pub(super) name: &'static str,
    /// Its unit, as the protocol calls it.
    pub(super) units: &'static str,
    /// Whether it stands for itself, or counts up.
    pub(super) semantics: Semantics,
    /// Whether there is one, or one for each device.
    pub(super) shape: Shape,
    /// What must be read for it.
    pub(super) group: Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Semantics {
    Instant,
    Counter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Instanced,
}

/// Files that are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    Cpu,
    Temperature,
    Memory,
    Disk,
    Network,
    Mount,
    Cgroup,
}

/// The figure of this name.
pub(super) fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

const fn metric(
    name: &'static str,
    units: &'static str,
    semantics: Semantics,
    shape: Shape,
    group: Group,
) -> Metric {
    Metric { name, units, semantics, shape, group }
}

use Group::{Cgroup, Cpu, Disk, Memory, Mount, Network, Temperature};
use Semantics::{Counter, Instant};
use Shape::{Instanced, Single};

const METRICS: &[Metric] = &[
    metric("cpu.basic.nice", "millisec", Counter, Single, Cpu),
    metric("cpu.basic.user", "millisec", Counter, Single, Cpu),
    metric("cpu.basic.system", "millisec", Counter, Single, Cpu),
    metric("cpu.basic.iowait", "millisec", Counter, Single, Cpu),
    metric("cpu.core.nice", "millisec", Counter, Instanced, Cpu),
    metric("cpu.core.user", "millisec", Counter, Instanced, Cpu),
    metric("cpu.core.system", "millisec", Counter, Instanced, Cpu),
    metric("cpu.core.iowait", "millisec", Counter, Instanced, Cpu),
    metric("cpu.temperature", "celsius", Instant, Instanced, Temperature),
    metric("memory.free", "bytes", Instant, Single, Memory),
    metric("memory.used", "bytes", Instant, Single, Memory),
    metric("memory.cached", "bytes", Instant, Single, Memory),
    metric("memory.swap-used", "bytes", Instant, Single, Memory),
    metric("disk.all.read", "bytes", Counter, Single, Disk),
    metric("disk.all.written", "bytes", Counter, Single, Disk),
    metric("disk.dev.read", "bytes", Counter, Instanced, Disk),
    metric("disk.dev.written", "bytes", Counter, Instanced, Disk),
    metric("block.device.read", "bytes", Counter, Instanced, Disk),
    metric("block.device.written", "bytes", Counter, Instanced, Disk),
    metric("network.all.rx", "bytes", Counter, Single, Network),
    metric("network.all.tx", "bytes", Counter, Single, Network),
    metric("network.interface.rx", "bytes", Counter, Instanced, Network),
    metric("network.interface.tx", "bytes", Counter, Instanced, Network),
    metric("mount.total", "bytes", Instant, Instanced, Mount),
    metric("mount.used", "bytes", Instant, Instanced, Mount),
    metric("cgroup.memory.usage", "bytes", Instant, Instanced, Cgroup),
    metric("cgroup.memory.limit", "bytes", Instant, Instanced, Cgroup),
    metric("cgroup.memory.sw-usage", "bytes", Instant, Instanced, Cgroup),
    metric("cgroup.memory.sw-limit", "bytes", Instant, Instanced, Cgroup),
    metric("cgroup.cpu.usage", "millisec", Counter, Instanced, Cgroup),
    metric("cgroup.cpu.shares", "count", Instant, Instanced, Cgroup),
    metric("disk.cgroup.read", "bytes", Counter, Instanced, Cgroup),
    metric("disk.cgroup.written", "bytes", Counter, Instanced, Cgroup),
];
