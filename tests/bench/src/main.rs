//! `bench`: how fast and how small, beside peers in the same run.
//!
//! `make bench` runs it. It boots a machine of the test lab, copies itself and the programs into it, and measures
//! there: Pilothouse, the floor (see [`floor`]), and Cockpit 337; then Cockpit 287 in a second machine. It prints
//! figures and whether they reach their targets. It asserts nothing about time: a busy machine is no failed test.
#![forbid(unsafe_code)]

mod figures;
mod floor;
mod http;
mod lab;
mod link;
mod page;
mod processes;
mod program;
mod raw_bus;
mod run;
mod subject;
mod table;
mod wire;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Measures speed and memory of Pilothouse over HTTPS, with peers in the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured, and how.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Options {
    /// The program `pilothouse`
    #[arg(long, value_name = "PATH", default_value = "target/release/pilothouse")]
    pilothouse: PathBuf,
    /// The program `pilothouse-bridge`
    #[arg(long, value_name = "PATH", default_value = "target/release/pilothouse-bridge")]
    bridge: PathBuf,
    /// Only these figures (may be repeated; `--list` names them)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name the figures
    #[arg(long)]
    list: bool,
    /// Measure without Cockpit
    #[arg(long)]
    no_peers: bool,
    /// At most so many measurements of each figure with each server
    #[arg(long, value_name = "N", default_value_t = 21)]
    runs: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Measure on this machine instead of a test machine: needs root and an account
    #[arg(long)]
    here: bool,
    /// The account for logins
    #[arg(long, value_name = "NAME", default_value = lab::USER, requires = "here")]
    user: String,
    /// A file with its password
    #[arg(long, value_name = "PATH", requires = "here")]
    password_file: Option<PathBuf>,
    /// A Cockpit that listens on this machine
    #[arg(long, value_name = "ADDRESS", requires = "here")]
    cockpit: Option<SocketAddr>,
    /// Its name in the table
    #[arg(long, value_name = "NAME", default_value = "cockpit", requires = "cockpit")]
    cockpit_name: String,
    /// Leave Pilothouse and the floor out
    #[arg(long, requires = "cockpit")]
    only_cockpit: bool,
}

/// Parts of the floor; not for people.
#[derive(Debug, Subcommand)]
enum Part {
    /// The floor's server
    #[command(hide = true)]
    FloorServer {
        /// Where it listens
        address: SocketAddr,
        /// Where its key lies
        directory: PathBuf,
    },
    /// The floor's bridge
    #[command(hide = true)]
    FloorBridge,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_may_listen = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<()> {
    match &arguments.part {
        Some(Part::FloorServer { address, directory }) => return floor::serve(*address, directory),
        Some(Part::FloorBridge) => return floor::bridge::run(),
        None => {}
    }
    let options = &arguments.options;
    let mut output = std::io::stdout();
    if options.list {
        for figure in figures::all() {
            writeln!(output, "{:<24} {} [{}]", figure.name, figure.words, figure.unit)?;
        }
        return Ok(());
    }
    let lines = if options.here { run::here(options)? } else { lab::run(options)? };
    let others = lines
        .iter()
        .flat_map(|line| line.medians.keys())
        .filter(|who| *who != table::OURS);
    let mut others: Vec<String> = others.cloned().collect();
    others.sort();
    others.dedup();
    let table = table::Table(lines);
    if options.json {
        writeln!(output, "{}", table.json())?;
    } else {
        write!(output, "{}", table.text(&others))?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        writeln!(output, "load average at the end: {}", load.trim())?;
    }
    Ok(())
}
