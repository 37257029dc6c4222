//! `pilothouse serve`: the web server.

use std::process::ExitCode;

use clap::ArgMatches;

use crate::{Failure, settings};

/// Serves until told to stop.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let config = settings::load(&settings::flags(matches), matches)?;
    let _ = config;
    todo!("")
}
