//! `pilothouse-bridge`: the bridge as a program of its own, small enough to be sent to other machines.
//!
//! It speaks the protocol on standard input and output and takes no arguments.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(answered) = bridge::peer::superuser::askpass::started_as_askpass() {
        return answered;
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    bridge::program(&arguments, None)
}
