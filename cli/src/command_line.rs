//! The command line: all subcommands and their flags, from which help, completions and manual pages are made.

use clap::{Arg, Command, ValueHint, value_parser};

use crate::settings::CONFIG_FILE;
use crate::{completions, hostkeys, man, settings};

/// The whole command.
pub(crate) fn command() -> Command {
    Command::new("pilothouse")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Manages Linux machines from a browser")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(100)
        .subcommands([
            run(),
            serve(),
            session(),
            bridge(),
            hostkeys::command(),
            completions::command(),
            man::command(),
        ])
}

fn run() -> Command {
    Command::new("run")
        .about("Runs the management server on this terminal, without installing anything")
        .long_about(
            "Runs the management server on this terminal, without systemd and without installing anything, until \
             Ctrl-C or SIGTERM.\n\nStarted as root, everybody may log in whom PAM lets in; the part that faces the \
             network runs as the user \"pilothouse\" if there is one, else as an unused uid. Started as another user, \
             only that user may log in, and only from this machine.",
        )
        .args(settings::arguments())
        .arg(config_file())
}

fn serve() -> Command {
    Command::new("serve")
        .about("The web server: HTTPS, login page, relay (started by systemd or by run)")
        .args(settings::arguments())
        .arg(config_file())
        .arg(
            Arg::new("socket-on-stdin")
                .long("socket-on-stdin")
                .num_args(0)
                .help("Take standard input as the socket to listen on"),
        )
        .arg(
            Arg::new("local-session")
                .long("local-session")
                .value_name("COMMAND")
                .num_args(1..)
                .allow_hyphen_values(true)
                .help("For tests and demonstrations: no login, COMMAND is everybody's bridge; loopback only"),
        )
}

fn session() -> Command {
    Command::new("session")
        .about("The helper of one login, with the server's connection as standard input")
        .hide(true)
        .arg(
            Arg::new("pam-service")
                .long("pam-service")
                .value_name("NAME")
                .default_value("pilothouse")
                .help("PAM service, a file in /etc/pam.d"),
        )
        .arg(
            Arg::new("server-uid")
                .long("server-uid")
                .value_name("UID")
                .value_parser(value_parser!(u32))
                .help("Only a process of this user may ask for a login"),
        )
}

fn bridge() -> Command {
    Command::new("bridge")
        .about("The bridge of the calling user, on standard input and output")
        .long_about(
            "The bridge of the calling user: speaks the protocol on standard input and output until that link ends. \
             Started by a login, or by another bridge.",
        )
        .arg(
            Arg::new("privileged")
                .long("privileged")
                .num_args(0)
                .help("Be the privileged bridge of the one that started this"),
        )
}

fn config_file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .help(format!("Read settings from FILE (TOML); flags win over it [default: {CONFIG_FILE}, if it exists]"))
}
