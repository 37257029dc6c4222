//! `pilothouse serve`: the web server.

use std::io::IsTerminal as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::ArgMatches;
use server::config::LogLevel;
use server::{Access, Config, Listener, Started};
use tracing::level_filters::LevelFilter;

use crate::{Failure, settings};

/// Serves until told to stop.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let config = settings::load(&settings::flags(matches), matches)?;
    log_to_stderr(&config);
    let listener =
        if matches.get_flag("socket-on-stdin") { Listener::Stdin } else { Listener::Systemd };
    let access = match matches.get_many::<String>("local-session") {
        Some(command) => Access::LocalSession(start_bridge(command)?),
        None => Access::Login,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(server::run(config, listener, access, log_start));
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure { status: error.exit_code(), error: error.into() }),
    }
}

/// Starts the bridge that everybody gets, with one end of a socket pair as its input and output. It is the calling
/// user's, in the calling user's environment, and ends when the other end is closed.
fn start_bridge<'a>(mut command: impl Iterator<Item = &'a String>) -> Result<UnixStream, Failure> {
    let (ours, theirs) = UnixStream::pair()?;
    let input = theirs.try_clone()?;
    let program = command.next().map_or("", String::as_str);
    #[expect(clippy::disallowed_methods, reason = "the command line names the program")]
    let started = Command::new(program)
        .args(command)
        .stdin(OwnedFd::from(input))
        .stdout(OwnedFd::from(theirs))
        .spawn();
    started.with_context(|| format!("cannot start {program}"))?;
    Ok(ours)
}

fn log_start(started: &Started) {
    for address in &started.addresses {
        tracing::info!(%address, fingerprint = %started.fingerprint, "listening");
    }
}

/// Log lines go to standard error; journald takes time and level from its own knowledge.
fn log_to_stderr(config: &Config) {
    let level = match config.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.without_time().init();
    } else {
        lines.init();
    }
}
