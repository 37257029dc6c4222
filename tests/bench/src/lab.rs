//! The machines in which a run takes place, and the runs within them.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use machines::{Lab, Machine, Running};
use serde_json::Value;

use crate::Options;
use crate::figures;
use crate::table::Line;

/// Who logs in.
pub(crate) const USER: &str = "ada";

/// The password of a machine that lives as long as the run.
pub(crate) const PASSWORD: &str = "correct horse battery";

const COCKPIT_ADDRESS: &str = "127.0.0.1:9090";

/// One machine's part of a run.
struct Part {
    machine: Machine,
    cockpit: Option<&'static str>,
    also: &'static [&'static str],
}

/// Runs in machines of the lab and puts their figures together.
pub(crate) fn run(options: &Options) -> Result<Vec<Line>> {
    let lab = Lab::start()?;
    let plain = || {
        Machine::debian12()
            .packages(&["dbus", "sudo", "pamtester"])
            .user(USER, PASSWORD)
    };
    let packages = ["cockpit-ws", "cockpit-bridge"];
    let with_337 =
        Part { machine: plain().backports(&packages), cockpit: Some("cockpit 337"), also: &[] };
    let with_287 = Part {
        machine: plain().packages(&packages),
        cockpit: Some("cockpit 287"),
        also: &["--only-cockpit"],
    };
    let alone = || Part { machine: plain(), cockpit: None, also: &[] };
    if options.no_peers {
        return measure(&lab, options, alone());
    }
    let mut lines = match measure(&lab, options, with_337) {
        Ok(lines) => lines,
        Err(error) => {
            say(&format!("Cockpit 337 cannot be had: {error:#}"));
            measure(&lab, options, alone())?
        }
    };
    match measure(&lab, options, with_287) {
        Ok(more) => {
            for (line, more) in lines.iter_mut().zip(more) {
                line.medians.extend(more.medians);
                line.failures.extend(more.failures);
            }
        }
        Err(error) => say(&format!("Cockpit 287 cannot be had: {error:#}")),
    }
    Ok(lines)
}

fn measure(lab: &Lab, options: &Options, part: Part) -> Result<Vec<Line>> {
    let machine = lab.machine(part.machine)?;
    let own = std::env::current_exe()?;
    machine.copy_in(own, "/usr/local/bin/bench", 0o755)?;
    machine.copy_in(&options.pilothouse, "/usr/local/bin/pilothouse", 0o755)?;
    machine.copy_in(&options.bridge, "/usr/local/bin/pilothouse-bridge", 0o755)?;
    let runs = options.runs.to_string();
    let mut command = vec![
        "/usr/local/bin/bench",
        "--here",
        "--json",
        "--pilothouse",
        "/usr/local/bin/pilothouse",
        "--bridge",
        "/usr/local/bin/pilothouse-bridge",
        "--runs",
        &runs,
    ];
    if let Some(name) = part.cockpit {
        machine.exec(&["systemctl", "start", "cockpit.socket"])?;
        command.extend(["--cockpit", COCKPIT_ADDRESS, "--cockpit-name", name]);
    }
    command.extend(part.also);
    for name in &options.only {
        command.extend(["--only", name]);
    }
    read(&machine, &command)
}

fn read(machine: &Running, command: &[&str]) -> Result<Vec<Line>> {
    let printed = machine.exec(command)?;
    let printed: Vec<Value> = serde_json::from_str(&printed).context("the machine's figures")?;
    let mut lines = Vec::new();
    for figure in figures::all() {
        let found = printed
            .iter()
            .find(|line| line.get("name") == Some(&figure.name.into()));
        let Some(found) = found else { continue };
        let member = |name: &str| found.get(name).cloned().unwrap_or_default();
        lines.push(Line {
            name: figure.name,
            words: figure.words,
            unit: figure.unit,
            target: figure.target,
            medians: serde_json::from_value::<BTreeMap<_, _>>(member("medians"))?,
            failures: serde_json::from_value::<BTreeMap<_, _>>(member("failures"))?,
        });
    }
    Ok(lines)
}

fn say(words: &str) {
    let _nobody_may_listen = writeln!(std::io::stderr(), "bench: {words}");
}
