//! `pilothouse bridge`: the bridge of the calling user, and what it needs to be asked for a password.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use hosts::ssh::Ssh;

/// Runs the bridge when the command line is one of its own: they are spared the making of all others.
pub(crate) fn started_as_bridge() -> Option<ExitCode> {
    if let Some(answered) = bridge::peer::superuser::askpass::started_as_askpass() {
        return Some(answered);
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (subcommand, arguments) = arguments.split_first()?;
    let help = arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    (subcommand == "bridge" && !help)
        .then(|| bridge::program(arguments, Some(Arc::new(Ssh::of_this_user()))))
}
