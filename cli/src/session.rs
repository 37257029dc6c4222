//! `pilothouse session`: one login, with the server's connection as standard input.

use std::io::Write as _;
use std::process::ExitCode;

use ::session::{BridgeProgram, Limits, Options, Outcome, Uid};
use clap::ArgMatches;

use crate::Failure;

/// The link to this very program: it works also when the user may not search the directory it lies in.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Serves the login.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let options = Options {
        service: matches
            .get_one::<String>("pam-service")
            .cloned()
            .unwrap_or_default(),
        allowed_peer: matches
            .get_one::<u32>("server-uid")
            .copied()
            .or_else(installed_server)
            .map(Uid::from_raw),
        bridge: BridgeProgram {
            path: THIS_PROGRAM.into(),
            arguments: ["pilothouse", "bridge"].map(Into::into).to_vec(),
        },
        limits: Limits::default(),
    };
    match ::session::run(&options)? {
        Outcome::Ended(_) => Ok(ExitCode::SUCCESS),
        Outcome::Refused { reason, cause } => {
            // One write, so that lines of other processes on the same terminal stand before or after it.
            let line = format!("pilothouse session: login refused ({reason:?}): {cause}\n");
            let _nobody_may_read = std::io::stderr().write_all(line.as_bytes());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The user of an installed server.
fn installed_server() -> Option<u32> {
    let entry = nix::unistd::User::from_name("pilothouse").ok().flatten()?;
    Some(entry.uid.as_raw())
}
