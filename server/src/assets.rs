//! The build of `web/`: embedded files, or a folder while developing.
//!
//! Caller: `routes`.

use crate::config::Config;

/// The interface's files.
#[derive(Debug)]
pub(crate) struct Assets {}

impl Assets {
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }
}
