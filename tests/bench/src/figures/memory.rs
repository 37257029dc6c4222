//! Memory, by `/proc/*/smaps_rollup`.

use std::process::Command;

use anyhow::Result;

use super::startup::Greeted;
use super::{Bench, mebibytes};
use crate::page::Page;
use crate::program::program;
use crate::subject::{Kind, Subject};
use crate::wire::LONG;

/// Sessions of the measurement.
const SESSIONS: u32 = 50;

/// What one more costs while another runs: the program's text is shared, as among the sessions of a machine.
fn private(command: impl Fn() -> Command) -> Result<Option<f64>> {
    let _another = Greeted::start(command())?;
    let bridge = Greeted::start(command())?;
    // What it frees after its first words is not counted.
    std::thread::sleep(LONG / 100);
    Ok(Some(mebibytes(crate::processes::memory(bridge.id())?.private)))
}

/// `pilothouse-bridge`, and the floor's.
pub(crate) fn bridge(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    match subject.kind {
        Kind::Pilothouse => private(|| program(&bench.bridge, [""; 0])),
        Kind::Floor => private(|| program(&bench.own, ["floor-bridge"])),
        Kind::Cockpit => private(|| program("cockpit-bridge", [""; 0])),
    }
}

/// `pilothouse bridge`.
pub(crate) fn session_bridge(subject: &mut Subject, bench: &Bench) -> Result<Option<f64>> {
    match subject.kind {
        Kind::Pilothouse => private(|| program(&bench.pilothouse, ["bridge"])),
        Kind::Cockpit | Kind::Floor => Ok(None),
    }
}

/// All processes' share for one session more.
pub(crate) fn session(subject: &mut Subject, _bench: &Bench) -> Result<Option<f64>> {
    let mut pages = Vec::new();
    let mut visitors = Vec::new();
    subject.visitor()?;
    let before = subject.processes.memory()?.proportional;
    for _ in 0..SESSIONS {
        let mut visitor = subject.stranger();
        let mut wire = visitor.connect()?;
        visitor.log_in(&mut wire, &subject.account)?;
        pages.push(Page::open(&visitor)?);
        visitors.push(visitor);
    }
    std::thread::sleep(LONG / 20);
    let after = subject.processes.memory()?.proportional;
    drop(pages);
    for visitor in visitors {
        visitor.log_out()?;
    }
    Ok(Some(mebibytes(after.saturating_sub(before)) / f64::from(SESSIONS)))
}
