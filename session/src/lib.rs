//! The privileged helper of one login.

pub mod messages;
pub mod monitor;
