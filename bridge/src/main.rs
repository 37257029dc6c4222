//! `pilothouse-bridge`: the bridge as a program of its own, small enough to be sent to other machines.
//!
//! It speaks the protocol on standard input and output and takes no arguments.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match bridge::run_on_stdio() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_may_listen = writeln!(std::io::stderr(), "pilothouse-bridge: {error}");
            ExitCode::FAILURE
        }
    }
}
