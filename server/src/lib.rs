//! The server: HTTPS, login page and relay, without any privilege.
//!
//! It frees nobody from asking: who may log in is decided by `session`, what may be done by the user's own bridge.
//! Called by `cli` (`pilothouse serve`) and by tests. It never parses a channel's payload, keeps a password, runs a
//! program, or opens a connection to another machine.
#![forbid(unsafe_code)]

mod admission;
mod assets;
pub mod config;
mod external;
mod login;
mod pages;
mod relay;
mod routes;
mod sessions;

pub use config::Config;

/// All that a request can reach. Held as `Arc<Server>`, axum's state.
#[derive(Debug)]
pub struct Server {
    pub(crate) config: Config,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) logins: login::Logins,
    pub(crate) assets: assets::Assets,
    pub(crate) pages: pages::Pages,
}

impl Server {
    /// Builds the parts from the settings; nothing is bound yet.
    pub fn new(config: Config) -> Self {
        Self {
            sessions: sessions::Sessions::new(&config),
            logins: login::Logins::new(&config),
            assets: assets::Assets::new(&config),
            pages: pages::Pages::new(&config),
            config,
        }
    }
}
