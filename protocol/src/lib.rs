//! The wire protocol of Pilothouse: Cockpit's version 1, as types.
//!
//! Bytes come in, values go out. Nothing here owns a socket, a clock, a task or a random source, and nothing here
//! waits; received bytes never panic. Used by every process and by the tests. The text is `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod control;
pub mod dbus_json;
pub mod flow;
pub mod frame;
pub mod json;
pub mod limits;
pub mod names;
pub mod problem;
pub mod secret;
