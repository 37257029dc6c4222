//! The parts of the command `lab`.

pub(crate) mod arguments;
pub(crate) mod client;
pub(crate) mod keeper;
pub(crate) mod request;
