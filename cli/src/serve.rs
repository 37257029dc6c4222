//! `pilothouse serve`: the web server.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::ArgMatches;
use server::config::LogLevel;
use server::{Config, Listener, Started};
use tracing::level_filters::LevelFilter;

use crate::{Failure, settings};

/// Serves until told to stop.
pub(crate) fn main(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let config = settings::load(&settings::flags(matches), matches)?;
    log_to_stderr(&config);
    let listener =
        if matches.get_flag("socket-on-stdin") { Listener::Stdin } else { Listener::Systemd };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(server::run(config, listener, log_start));
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure { status: error.exit_code(), error: error.into() }),
    }
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
