//! The program `pilothouse`: every process of the management server is one of its subcommands.
//!
//! Each subcommand has a file here that reads its arguments, calls a crate, and reports; nothing is decided here.
#![forbid(unsafe_code)]

mod bridge;
mod command_line;
mod completions;
mod hostkeys;
mod man;
mod run;
mod serve;
mod session;
mod settings;

use std::io::Write as _;
use std::process::ExitCode;

use clap::ArgMatches;

/// Exit status for a mistake in arguments or configuration, as sysexits(3) has it.
const EX_USAGE: u8 = 64;
/// Exit status for a refusal because of owner, mode or missing rights, as sysexits(3) has it.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    if let Some(exit) = bridge::started_as_bridge() {
        return exit;
    }
    let matches = match command_line::command().try_get_matches() {
        Ok(matches) => matches,
        Err(shown) => {
            let _nobody_may_read = shown.print();
            return if shown.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(&matches) {
        Ok(exit) => exit,
        Err(failure) => {
            let _nobody_may_read = writeln!(std::io::stderr(), "pilothouse: {:#}", failure.error);
            ExitCode::from(failure.status)
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("run", matches)) => run::main(matches),
        Some(("serve", matches)) => serve::main(matches),
        Some(("session", matches)) => session::main(matches),
        Some(("hostkeys", matches)) => hostkeys::main(matches),
        Some(("completions", matches)) => completions::main(matches),
        Some(("man", matches)) => man::main(matches),
        Some(_) | None => Ok(ExitCode::from(EX_USAGE)),
    }
}

/// What a subcommand could not do, and the exit status for it.
struct Failure {
    error: anyhow::Error,
    status: u8,
}

impl Failure {
    /// A mistake of the caller: arguments or configuration.
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), status: EX_USAGE }
    }

    /// Something on this machine must be changed first: an owner, a mode, a missing file.
    fn config(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), status: EX_CONFIG }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), status: 1 }
    }
}
