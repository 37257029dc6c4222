//! The arguments of `pilothouse hostkeys`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, Command, ValueHint, value_parser};
use hosts::host_key::{Fingerprint, HostKey};
use protocol::names::HostSpec;

/// The subcommand.
pub(crate) fn command() -> Command {
    Command::new("hostkeys")
        .about("Shows, adds, removes and checks the SSH host keys of other machines")
        .long_about(
            "Shows, adds, removes and checks the SSH host keys of other machines.\n\nKeys are looked up where ssh looks \
             for them: in ~/.ssh/known_hosts, in the management server's store (/etc/pilothouse/known_hosts, for \
             everybody), and in /etc/ssh/ssh_known_hosts, which is only read.",
        )
        .after_help("Exit status: 0 done; 1 not done, not there, or not the stored key; 64 mistake in the arguments.")
        .arg(
            Arg::new("known-hosts")
                .long("known-hosts")
                .value_name("FILE")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Take FILE for ~/.ssh/known_hosts"),
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([list(), show(), add(), remove(), scan(), import(), export()])
}

fn list() -> Command {
    Command::new("list")
        .about("Lists all entries, those that cannot be read included")
        .args([
            user("Only those of the calling user"),
            system("Only those of the management server"),
        ])
        .group(ArgGroup::new("store").args(["user", "system"]))
        .arg(json())
}

fn show() -> Command {
    Command::new("show")
        .about("Shows the entries that count for a host, hashed names and patterns included")
        .args([host(), json()])
}

fn add() -> Command {
    Command::new("add")
        .about("Stores a key of a host")
        .long_about(
            "Stores a key of a host. The key is given as text or in a file, or it is asked from the host itself and \
             stored if it has the fingerprint that is given.",
        )
        .arg(host())
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("KEY")
                .value_parser(value_parser!(HostKey))
                .help("The key: its type and its base64, as in a .pub file"),
        )
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Read the key from FILE, for example a .pub file; - is standard input"),
        )
        .arg(
            Arg::new("fingerprint")
                .long("fingerprint")
                .value_name("SHA256:…")
                .value_parser(value_parser!(Fingerprint))
                .help("Ask the host, and store its key with this fingerprint"),
        )
        .group(ArgGroup::new("source").args(["key", "file", "fingerprint"]).required(true))
        .args(store())
        .group(ArgGroup::new("store").args(["user", "system"]))
        .arg(reason())
}

fn remove() -> Command {
    Command::new("remove")
        .about("Removes a host's keys, also entries that cannot be read")
        .long_about(
            "Removes a host from all entries that name it, also those that cannot be read. Other names on the same \
             entry stay; so do patterns, authorities and revoked keys.",
        )
        .arg(host())
        .arg(
            Arg::new("yes")
                .long("yes")
                .action(ArgAction::SetTrue)
                .help("Do not ask"),
        )
        .args(store())
        .group(ArgGroup::new("store").args(["user", "system"]))
        .arg(reason())
}

fn scan() -> Command {
    Command::new("scan")
        .about("Asks hosts for their keys and says which of them are known; never logs in")
        .long_about(
            "Asks hosts for their keys, one of each type, and says which of them are known. It never logs in, and \
             stores nothing. What a scan shows may come from somebody on the way: compare the fingerprint with what \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the machine itself.",
        )
        .arg(host().num_args(1..).help("Hosts: HOST, or HOST:PORT"))
        .arg(json())
}

fn import() -> Command {
    Command::new("import")
        .about("Adds the entries of a file in the format of known_hosts")
        .arg(
            Arg::new("file")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The file; - is standard input"),
        )
        .args(store())
        .group(ArgGroup::new("store").args(["user", "system"]))
        .arg(reason())
}

fn export() -> Command {
    Command::new("export")
        .about("Prints a store in the format of known_hosts")
        .args(store())
        .group(ArgGroup::new("store").args(["user", "system"]))
}

fn host() -> Arg {
    Arg::new("host")
        .required(true)
        .value_name("HOST")
        .value_parser(value_parser!(HostSpec))
        .value_hint(ValueHint::Hostname)
        .help("The host: HOST, or HOST:PORT")
}

fn store() -> [Arg; 2] {
    [
        user("In ~/.ssh/known_hosts of the calling user (the default)"),
        system("In the management server's store, for everybody; wants root"),
    ]
}

fn user(help: &'static str) -> Arg {
    Arg::new("user")
        .long("user")
        .action(ArgAction::SetTrue)
        .help(help)
}

fn system(help: &'static str) -> Arg {
    Arg::new("system")
        .long("system")
        .action(ArgAction::SetTrue)
        .help(help)
}

fn reason() -> Arg {
    Arg::new("reason")
        .long("reason")
        .value_name("TEXT")
        .default_value("")
        .help("Why, for the log; the management server's store keeps it with the key")
}

fn json() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON instead of a table")
}
