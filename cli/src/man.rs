//! `pilothouse man DIRECTORY`: writes the manual pages, made from the command line's definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use crate::{Failure, command_line};

/// The subcommand.
pub(crate) fn command() -> Command {
    Command::new("man")
        .about("Writes the manual pages into a directory")
        .arg(
            Arg::new("directory")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("Where pilothouse.1 and one page for each subcommand are written"),
        )
}

/// Writes the pages.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let directory = matches
        .get_one::<PathBuf>("directory")
        .cloned()
        .unwrap_or_default();
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(command_line::command(), &directory)?;
    Ok(ExitCode::SUCCESS)
}
