//! `pilothouse man DIRECTORY`: writes the manual pages, made from the command line's definition.

use std::fs::File;
use std::path::{Path, PathBuf};
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
                .help("Where pilothouse.8 and one page for each subcommand are written"),
        )
}

/// Writes the pages.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let directory = matches
        .get_one::<PathBuf>("directory")
        .cloned()
        .unwrap_or_default();
    std::fs::create_dir_all(&directory)?;
    let mut command = command_line::command();
    command.build();
    write_page(&directory, "pilothouse", &command)?;
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
    {
        let name = format!("pilothouse-{}", subcommand.get_name());
        write_page(&directory, &name, subcommand)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Section 8: programs of the system's administrator.
fn write_page(directory: &Path, name: &str, command: &Command) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned())).section("8");
    let mut file = File::create(directory.join(format!("{name}.8")))?;
    page.render(&mut file)?;
    Ok(())
}
