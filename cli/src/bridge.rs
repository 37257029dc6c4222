//! `pilothouse bridge`: the bridge of the calling user.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::ArgMatches;

/// Runs the bridge when that is the whole command line.
pub(crate) fn started_as_bridge() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    (arguments == ["bridge"]).then(run)
}

/// Runs the bridge.
pub(crate) fn main(_matches: &ArgMatches) -> ExitCode {
    run()
}

fn run() -> ExitCode {
    match ::bridge::run_on_stdio() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_may_listen = writeln!(std::io::stderr(), "pilothouse bridge: {error}");
            ExitCode::FAILURE
        }
    }
}
