//! Other machines: what is known of them, and how they are reached.
//!
//! Runs in the user's own bridge, or in the command line's process as that user; never as root, never in the server.
//! Wired into the bridge by `cli`, so that `pilothouse-bridge` has none of it.
#![forbid(unsafe_code)]

pub mod host_key;
pub mod ssh;
