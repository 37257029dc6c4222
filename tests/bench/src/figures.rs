//! The figures: their names, their targets, how each is measured.
//!
//! Targets and the numbers behind them are those of the project's first issue. A figure is measured with everybody in
//! turn, several times; nothing is asserted.

mod bus;
mod echo;
mod files;
mod logins;
mod memory;
mod pages;
mod programs;
mod startup;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::subject::Subject;
use crate::table::Target;

/// What all measurements need.
pub(crate) struct Bench {
    /// The programs.
    pub(crate) pilothouse: PathBuf,
    pub(crate) bridge: PathBuf,
    /// This program.
    pub(crate) own: PathBuf,
    /// Where files are made; everybody may read them.
    pub(crate) scratch: PathBuf,
}

/// One measurement; nothing where it makes no sense.
pub(crate) type Measure = fn(&mut Subject, &Bench) -> Result<Option<f64>>;

/// A figure.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
    /// How often it is measured with everybody, at most.
    pub(crate) runs: usize,
    pub(crate) measure: Measure,
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Figure> {
    use Target::{AtLeast, AtMost, AtMostAbove, AtMostTimes, None};
    let figure = |name, words, unit, target, runs, measure: Measure| Figure {
        name,
        words,
        unit,
        target,
        runs,
        measure,
    };
    vec![
        figure("pam", "PAM alone, as a program", "ms", None, 7, logins::pam),
        figure("login", "login request", "ms", AtMostAbove("pam", 20.0), 7, logins::login),
        figure("handshake", "TLS handshake", "ms", None, 21, logins::handshake),
        figure("init", "WebSocket upgrade to init", "ms", AtMost(1.0), 21, logins::init),
        figure("echo-p50", "echo 64 B, median", "ms", AtMost(0.05), 5, echo::median),
        figure("echo-p99", "echo 64 B, 99th of 100", "ms", AtMost(0.3), 5, echo::rare),
        figure("echo-rate", "echo 64 B, 128 under way", "/s", AtLeast(300_000.0), 5, echo::rate),
        figure("cat", "cat, both ways", "MiB/s", AtLeast(260.0), 5, programs::cat),
        figure("true", "true, open to close", "ms", AtMost(1.8), 5, programs::nothing),
        figure("dbus-open", "D-Bus open", "ms", AtMost(0.4), 5, bus::open),
        figure("dbus-getid", "D-Bus GetId", "ms", AtMost(0.09), 5, bus::small_call),
        figure("dbus-listunits", "D-Bus ListUnits", "ms", AtMost(0.7), 5, bus::large_call),
        figure("dbus-rate", "D-Bus calls, 64 under way", "/s", AtLeast(27_000.0), 5, bus::rate),
        figure("fsread", "fsread1 of 256 MiB", "MiB/s", AtLeast(500.0), 5, files::read),
        figure("fsread-memory", "more memory meanwhile", "MiB", AtMost(8.0), 3, files::memory),
        figure("fslist", "fslist1 of 10,000 files", "ms", AtMost(25.0), 5, files::list),
        figure("fsinfo", "fsinfo of 10,000 files", "ms", AtMost(32.0), 5, files::info),
        figure("bridge-start", "bridge, exec to init", "ms", AtMost(4.0), 11, startup::bridge),
        figure("bridge-memory", "its private memory", "MiB", AtMost(1.1), 3, memory::bridge),
        figure(
            "session-bridge-memory",
            "pilothouse bridge's",
            "MiB",
            AtMostTimes("bridge-memory", 1.5),
            3,
            memory::session_bridge,
        ),
        figure(
            "session-memory",
            "memory a session, 50 of one user",
            "MiB",
            AtMost(2.0),
            1,
            memory::session,
        ),
        figure("start", "server, stopped to first answer", "ms", AtMost(40.0), 5, startup::server),
        figure("page-requests", "login page: requests", "", AtMost(3.0), 1, pages::requests),
        figure("page-bytes", "login page: sent", "KiB", AtMost(10.0), 1, pages::bytes),
        figure("page-rate", "login page: 50 keep-alive", "/s", AtLeast(16_000.0), 5, pages::rate),
    ]
}

/// Milliseconds since `start`.
pub(crate) fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// How often a second something happened that happened `times` times since `start`.
pub(crate) fn per_second(times: usize, start: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let times = times as f64;
    times / start.elapsed().as_secs_f64()
}

/// MiB of `bytes`.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}

/// The `part`th (0 to 1) of `times` milliseconds, sorted.
pub(crate) fn quantile(mut times: Vec<Duration>, part: (usize, usize)) -> Option<f64> {
    times.sort();
    let (over, under) = part;
    let at = (times.len() * over / under).min(times.len().saturating_sub(1));
    times.get(at).map(|time| time.as_secs_f64() * 1e3)
}
