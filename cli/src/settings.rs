//! The server's settings as flags: made from the one table in `server::config`.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};
use server::config::{Config, Flag, settings};

use crate::Failure;

/// One flag for each setting.
pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
    settings().iter().map(|setting| {
        let default = match setting.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        let action = if setting.kind.is_list() { ArgAction::Append } else { ArgAction::Set };
        Arg::new(setting.flag())
            .long(setting.flag())
            .value_name("VALUE")
            .action(action)
            .help(format!("{}{default}", setting.doc))
            .long_help(format!("{} Takes {}.{default}", setting.doc, setting.kind.takes()))
    })
}

/// The flags that were given.
pub(crate) fn flags(matches: &ArgMatches) -> Vec<Flag> {
    settings()
        .iter()
        .filter_map(|setting| {
            let name = setting.flag();
            let values = matches.get_many::<String>(&name)?.cloned().collect();
            Some(Flag { name, values })
        })
        .collect()
}

/// The configuration file of an installed server; read when it is there and no other is named.
pub(crate) const CONFIG_FILE: &str = "/etc/pilothouse/pilothouse.toml";

/// Settings from `flags` and the file that `--config` names.
pub(crate) fn load(flags: &[Flag], matches: &ArgMatches) -> Result<Config, Failure> {
    let given = matches.get_one::<String>("config").map(Path::new);
    let file = given.or_else(|| Some(Path::new(CONFIG_FILE)).filter(|file| file.exists()));
    Config::load(flags, file).map_err(Failure::usage)
}
