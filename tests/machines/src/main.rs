//! `lab`: booted Debian machines on this host, by hand.
//!
//! The command of the library `machines`: the same machines that tests get, kept up by a process in the background
//! until `lab down`. This file parses and prints; [`command::client`] talks to that process, [`command::keeper`] is
//! it. Exit codes: 0 done, 1 failed, 2 wrong use, 3 this host or user cannot, 4 no such machine.

mod command;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use command::arguments::{Arguments, Verb};
use command::client::Client;
use machines::{Error, Result};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&Client { set: arguments.set }, arguments.verb) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(client: &Client, verb: Verb) -> Result<u8> {
    match verb {
        Verb::Up(up) => client.up(&up).and_then(|text| say(&text)),
        Verb::Down(down) => client.down(&down).and_then(|text| say(&text)),
        Verb::List { json } => command::client::list(json).and_then(|text| say(&text)),
        Verb::Shell { name, command } => command::client::shell(&name, &command),
        Verb::Logs(logs) => command::client::logs(&logs),
        Verb::Images { releases, aarch64 } => {
            command::client::images(&releases, aarch64).and_then(|text| say(&text))
        }
        Verb::Prune { days } => command::client::prune(days).and_then(|text| say(&text)),
        Verb::Fault(fault) => client.fault(fault).and_then(|text| say(&text)),
        Verb::Keep => command::keeper::keep(client).map(|()| 0),
    }
}

/// Writes a result; a reader that has gone away is no error.
fn say(text: &str) -> Result<u8> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Io { doing: "write the answer".into(), source: error })
        }
        Ok(()) | Err(_) => Ok(0),
    }
}
