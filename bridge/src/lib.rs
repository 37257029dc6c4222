//! The bridge: runs as one user on one machine and serves channels over one link.
//!
//! Started by `session` after a login, by another bridge (as the privileged one, or over SSH on another machine), or
//! by Cockpit's own server. It does what its user may do, no more: the kernel decides. It never serves a second
//! user, and never opens a port.
#![forbid(unsafe_code)]

pub mod buses;
pub mod channel;
pub mod channels;
pub mod descriptors;
mod internal;
pub mod link;
pub mod outbox;
pub mod port;
pub mod process;
pub mod router;
pub mod user;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::control::{Control, Init, VERSION};
use protocol::frame::Frame;
use protocol::json::Fields;
use rustix::process::DumpableBehavior;

use crate::buses::Buses;
use crate::descriptors::Descriptors;
use crate::link::{Link, LinkError};
use crate::outbox::Outbox;
use crate::router::{Router, RouterError};
use crate::user::User;

/// Version of Cockpit's API that our packages and pages may rely on; manifests' `requires` are compared with it.
pub const COCKPIT_VERSION: &str = "337";

/// How long a thread that read a file waits for the next one.
const IDLE_THREAD_LIFE: Duration = Duration::from_secs(2);

/// Why a bridge ended before its link did.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The link could not be read or written, or carried something that is no frame.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server broke the protocol.
    #[error(transparent)]
    Router(#[from] RouterError),
}

/// What all channels of one bridge share.
#[derive(Debug)]
pub struct Bridge {
    /// What goes to the server.
    pub outbox: Outbox,
    /// Connections to message buses.
    pub buses: Buses,
    /// Descriptors that came over a bus.
    pub descriptors: Descriptors,
    user: OnceLock<User>,
}

impl Bridge {
    fn new(outbox: Outbox) -> Self {
        Self {
            outbox,
            buses: Buses::default(),
            descriptors: Descriptors::default(),
            user: OnceLock::new(),
        }
    }

    /// The user that this bridge is.
    pub fn user(&self) -> &User {
        self.user.get_or_init(User::current)
    }

    /// Whether this bridge may do everything already.
    pub fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

/// Serves channels over this process's standard input and output until that link ends.
///
/// # Errors
///
/// As [`run`], and when the process cannot be prepared.
pub fn run_on_stdio() -> Result<(), BridgeError> {
    // Nobody with the same uid may read the memory of a process that is asked for passwords (T53).
    let _old_kernels_refuse = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD_LIFE)
        .build()
        .map_err(LinkError::Io)?;
    runtime.block_on(async { run(Link::from_stdio().map_err(LinkError::Io)?).await })
}

/// Greets the server over `link` and serves channels until the link ends.
///
/// # Errors
///
/// [`BridgeError`] when the link breaks or the server breaks the protocol. The end of the link is no error.
pub async fn run(mut link: Link) -> Result<(), BridgeError> {
    let (outbox, writer) = link.outbox();
    let writer = tokio::spawn(writer);
    let bridge = Arc::new(Bridge::new(outbox.clone()));
    outbox.control(&greeting());

    let mut router = Router::new(Arc::clone(&bridge));
    let routed = route(&mut link, &mut router).await;
    router.close_all();
    if let Err(BridgeError::Router(refused)) = &routed {
        outbox.control(&refused.as_init());
    }
    outbox.finish();
    let _written_or_link_gone = writer.await;
    routed
}

async fn route(link: &mut Link, router: &mut Router) -> Result<(), BridgeError> {
    while link.receive().await? {
        while let Some(frame) = link.next_frame()? {
            match frame {
                Frame::Control(message) => router.control(&message)?,
                Frame::Data(channel, payload) => router.data(&channel, payload)?,
            }
        }
    }
    Ok(())
}

/// The bridge's `init`: what it can do, and what system it is on.
fn greeting() -> Control {
    let mut fields = Fields::new();
    fields.insert("capabilities".to_owned(), serde_json::json!({ "explicit-superuser": true }));
    fields.insert("os-release".to_owned(), user::os_release().into());
    Control::Init(Init { version: VERSION, host: None, problem: None, fields })
}
