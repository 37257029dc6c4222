//! One run on this machine: starts Pilothouse and the floor, then measures each figure with everybody in turn.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::Options;
use crate::figures::{self, Bench};
use crate::processes::Processes;
use crate::program::{Running, program};
use crate::subject::{Account, Kind, Subject};
use crate::table::{Line, OURS, median};
use crate::wire::LONG;

/// Measures what `options` ask for, on this machine.
pub(crate) fn here(options: &Options) -> Result<Vec<Line>> {
    let scratch = tempfile::tempdir()?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    let bench = Bench {
        pilothouse: options.pilothouse.canonicalize().context("--pilothouse")?,
        bridge: options.bridge.canonicalize().context("--bridge")?,
        own: std::env::current_exe()?,
        scratch: scratch.path().to_owned(),
    };
    let account = account(options)?;
    let mut subjects = Vec::new();
    let mut running = Vec::new();
    if !options.only_cockpit {
        let address = free_address()?;
        let mut command = program(&bench.pilothouse, ["run", "--listen"]);
        command
            .arg(address.to_string())
            .arg("--state-dir")
            .arg(bench.scratch.join("state"));
        let server = Running::silently(command)?;
        let processes = Processes::Tree(server.id());
        running.push(server);
        subjects.push(Subject::new(OURS, Kind::Pilothouse, account.clone(), address, processes));

        let address = free_address()?;
        let mut command = program(&bench.own, ["floor-server"]);
        command
            .arg(address.to_string())
            .arg(bench.scratch.join("floor"));
        let server = Running::silently(command)?;
        let processes = Processes::Tree(server.id());
        running.push(server);
        subjects.push(Subject::new("floor", Kind::Floor, account.clone(), address, processes));
    }
    if let Some(address) = options.cockpit {
        let processes = Processes::Named("cockpit");
        let name = options.cockpit_name.as_str();
        subjects.push(Subject::new(name, Kind::Cockpit, account, address, processes));
    }
    for subject in &subjects {
        wait_for(subject.address)?;
    }
    measure(options, &bench, &mut subjects)
}

fn measure(options: &Options, bench: &Bench, subjects: &mut [Subject]) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for name in &options.only {
        if !figures::all().iter().any(|figure| figure.name == name) {
            bail!("no figure {name:?}; --list names them");
        }
    }
    for figure in figures::all() {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == figure.name) {
            continue;
        }
        let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut failures = BTreeMap::new();
        for _ in 0..figure.runs.min(options.runs).max(1) {
            for subject in subjects.iter_mut() {
                if failures.contains_key(&subject.name) {
                    continue;
                }
                match (figure.measure)(subject, bench) {
                    Ok(Some(measured)) => {
                        figures
                            .entry(subject.name.clone())
                            .or_default()
                            .push(measured);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failures.insert(subject.name.clone(), format!("{error:#}"));
                    }
                }
            }
        }
        let medians = figures
            .into_iter()
            .filter_map(|(who, all)| Some((who, median(all)?)));
        let medians: BTreeMap<_, _> = medians.collect();
        let _for_the_impatient =
            writeln!(std::io::stderr(), "{}: {medians:?} {failures:?}", figure.name);
        let (name, words, unit, target) = (figure.name, figure.words, figure.unit, figure.target);
        lines.push(Line { name, words, unit, target, medians, failures });
    }
    Ok(lines)
}

fn account(options: &Options) -> Result<Account> {
    let password = match &options.password_file {
        Some(path) => fs::read_to_string(path)?.trim_end().to_owned(),
        None => crate::lab::PASSWORD.to_owned(),
    };
    Ok(Account { user: options.user.clone(), password })
}

/// A port that nobody has, given back for a server to take.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let start = Instant::now();
    while let Err(error) = std::net::TcpStream::connect(address) {
        if start.elapsed() > LONG {
            return Err(error).with_context(|| format!("nobody listens on {address}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
