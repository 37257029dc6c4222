//! What runs beside the front: the certificate's renewal and the service manager's watchdog.
//!
//! Caller: [`crate::run_until`]; neither ends by itself.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sd_notify::NotifyState;
use tokio::signal::unix::Signal;

use crate::Server;
use crate::config::{Config, TlsFiles};
use crate::listen::Front;
use crate::tell_supervisor;

/// How often the certificate is looked at.
const LOOK: Duration = Duration::from_mins(1);

/// Reads the certificate again on SIGHUP, when its files have changed, and before our own one expires.
pub(crate) async fn certificate(server: &Arc<Server>, mut hang_up: Signal) {
    let mut seen = files(&server.config);
    loop {
        let due = tokio::select! {
            _ = hang_up.recv() => true,
            () = tokio::time::sleep(LOOK) => is_near_end(server),
        };
        let now = files(&server.config);
        if !due && now == seen {
            continue;
        }
        seen = now;
        if let Err(error) = server.certificates.load(&server.config, SystemTime::now()) {
            tracing::error!(%error, "the certificate could not be read again; the old one stays in use");
        }
    }
}

/// Only ours is ours to renew; an imported one is looked at when its files change.
fn is_near_end(server: &Server) -> bool {
    let expires = server.certificates.expires();
    let left = expires.and_then(|expires| expires.duration_since(SystemTime::now()).ok());
    server.config.tls == TlsFiles::SelfSigned && left.is_none_or(|left| left <= certs::RENEW_BEFORE)
}

/// What tells a replaced file from the one before.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Of certificate and key, where there are files to watch.
fn files(config: &Config) -> Option<[Option<Stamp>; 2]> {
    let facts = |path: &Path| {
        let facts = path.metadata().ok()?;
        let changed = (facts.mtime(), facts.mtime_nsec());
        Some(Stamp { inode: facts.ino(), size: facts.size(), changed })
    };
    match &config.tls {
        TlsFiles::SelfSigned => None,
        TlsFiles::Imported { certificate, key } => Some([facts(certificate), facts(key)]),
    }
}

/// Tells the service manager that we live, as long as a connection is accepted and answered.
pub(crate) async fn watchdog(front: &Front) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        match std::future::pending::<Infallible>().await {}
    };
    loop {
        tokio::time::sleep(interval / 3).await;
        if front.answers(interval / 3).await {
            tell_supervisor(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the server does not answer itself");
        }
    }
}
