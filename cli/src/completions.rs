//! `pilothouse completions SHELL`: prints the completion script for a shell.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::{Failure, command_line};

/// The subcommand.
pub(crate) fn command() -> Command {
    Command::new("completions").about("Prints the completion script for a shell").arg(
        Arg::new("shell")
            .required(true)
            .value_parser(value_parser!(Shell))
            .help("The shell; for bash, put the script into /usr/share/bash-completion/completions/pilothouse"),
    )
}

/// Prints the script.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let shell = matches
        .get_one::<Shell>("shell")
        .copied()
        .unwrap_or(Shell::Bash);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line::command(), "pilothouse", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
