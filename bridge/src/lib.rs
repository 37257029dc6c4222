//! The bridge: runs as one user on one machine and serves channels over one link.
//!
//! Started by `session` after a login, by another bridge (as the privileged one, or over SSH on another machine), or
//! by Cockpit's own server. It does what its user may do, no more: the kernel decides. It never serves a second
//! user, and never opens a port.
#![forbid(unsafe_code)]

pub mod buses;
pub mod channel;
pub mod channels;
pub mod connection;
pub mod descriptors;
pub mod file_tag;
pub mod file_work;
pub mod folder;
pub mod idle;
pub mod inherited;
mod internal;
pub mod link;
pub mod outbox;
pub mod owners;
pub mod packages;
pub mod parent;
pub mod path_watch;
pub mod peer;
pub mod port;
pub mod process;
pub mod readiness;
pub mod router;
pub mod user;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::control::{Control, Init, VERSION};
use protocol::frame::Frame;
use protocol::json::Fields;
use protocol::names::ChannelId;
use rustix::process::DumpableBehavior;
use tokio::sync::Notify;

use crate::buses::Buses;
use crate::channel::Closed;
use crate::channels::HttpConnection;
use crate::connection::kept::Kept;
use crate::descriptors::Descriptors;
use crate::idle::Idle;
use crate::inherited::Inherited;
use crate::link::{Link, LinkError};
use crate::outbox::Outbox;
use crate::packages::{Packages, Places};
use crate::parent::{Parent, ParentError};
use crate::peer::remote::Reach;
use crate::peer::remote::connections::Connections;
use crate::peer::superuser::Superuser;
use crate::router::{Router, RouterError, Routes};
use crate::user::User;

/// Version of Cockpit's API that our packages and pages may rely on; manifests' `requires` are compared with it.
pub const COCKPIT_VERSION: &str = "337";

/// Exit status for wrong arguments, as sysexits(3) has it.
const EX_USAGE: u8 = 64;

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
    /// This is nobody's privileged bridge.
    #[error(transparent)]
    Parent(#[from] ParentError),
}

/// What all channels of one bridge share.
#[derive(Debug)]
pub struct Bridge {
    /// What goes to the server.
    pub outbox: Outbox,
    /// The privileged bridge of this session.
    pub superuser: Superuser,
    /// What PAM said at the login, one message a line.
    pub login_messages: String,
    /// When the session was last used.
    pub idle: Idle,
    /// The open channels.
    routes: Routes,
    /// Connections to other machines.
    connections: Connections,
    /// What the server calls this machine, from its `init`.
    host: OnceLock<String>,
    /// Connections to message buses.
    pub buses: Buses,
    /// Descriptors that came over a bus.
    pub descriptors: Descriptors,
    /// HTTP connections that the next request may use.
    pub http: Kept<HttpConnection>,
    user: OnceLock<User>,
    packages: OnceLock<Packages>,
    /// Tells the link's loop to end.
    ending: Notify,
}

impl Bridge {
    fn new(outbox: Outbox, inherited: Inherited, reach: Option<Arc<dyn Reach>>) -> Self {
        Self {
            outbox,
            superuser: Superuser::new(inherited.password),
            login_messages: inherited.login_messages,
            buses: Buses::default(),
            descriptors: Descriptors::default(),
            http: Kept::default(),
            routes: Routes::default(),
            connections: Connections::new(reach),
            host: OnceLock::new(),
            user: OnceLock::new(),
            packages: OnceLock::new(),
            idle: Idle::default(),
            ending: Notify::new(),
        }
    }

    /// Ends the bridge, and with it the session.
    pub fn end(&self) {
        self.ending.notify_one();
    }

    /// What the server calls this machine; `None` before it has said so.
    pub fn host(&self) -> Option<&str> {
        self.host.get().map(String::as_str)
    }

    /// The user that this bridge is.
    pub fn user(&self) -> &User {
        self.user.get_or_init(User::current)
    }

    /// The packages that are installed here. They are read when they are first needed.
    pub fn packages(&self) -> &Packages {
        self.packages
            .get_or_init(|| Packages::new(Places::from_environment(&self.user().home)))
    }

    /// Tells the page that a channel is over because of a problem.
    fn say_closed(&self, channel: &ChannelId, closed: Closed) {
        let (problem, fields) = closed.into_close();
        let channel = channel.clone();
        self.outbox
            .control(&Control::Close { channel, problem: Some(problem), fields });
    }

    /// Whether this bridge may do everything already.
    pub fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

/// The program: `arguments` are those after its name. `pilothouse-bridge` and `pilothouse bridge` are this; only the latter
/// brings a way to other machines.
pub fn program(arguments: &[OsString], reach: Option<Arc<dyn Reach>>) -> ExitCode {
    let ended = match arguments {
        [] => run_on_stdio(reach, None),
        [only] if only == "--privileged" => privileged(),
        _ => {
            let usage = "the bridge takes no arguments; it speaks the protocol on standard input and output";
            let _nobody_may_listen = writeln!(std::io::stderr(), "{usage}");
            return ExitCode::from(EX_USAGE);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_may_listen = writeln!(std::io::stderr(), "pilothouse bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The privileged bridge ends with those that started it, also when they are killed (T56).
fn privileged() -> Result<(), BridgeError> {
    let parent = Parent::check()?;
    // Root reaches no other machines: the user's own bridge does, with the user's keys.
    run_on_stdio(None, Some(parent))
}

fn run_on_stdio(reach: Option<Arc<dyn Reach>>, parent: Option<Parent>) -> Result<(), BridgeError> {
    // Nobody with the same uid may read the memory of a process that is asked for passwords (T53).
    let _old_kernels_refuse = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let inherited = Inherited::take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD_LIFE)
        .build()
        .map_err(LinkError::Io)?;
    runtime.block_on(async {
        let link = Link::from_stdio().map_err(LinkError::Io)?;
        let serving = run_and_reach(link, inherited, reach);
        let Some(parent) = parent else { return serving.await };
        tokio::select! {
            served = serving => served,
            ended = parent.ended() => match ended {
                Ok(()) => Err(ParentError::BridgeEnded.into()),
                Err(error) => Err(ParentError::Io(error).into()),
            },
        }
    })
}

/// Greets the server over `link` and serves channels until the link ends. It reaches no other machines.
///
/// # Errors
///
/// [`BridgeError`] when the link breaks or the server breaks the protocol. The end of the link is no error.
pub async fn run(link: Link, inherited: Inherited) -> Result<(), BridgeError> {
    run_and_reach(link, inherited, None).await
}

/// As [`run`]; other machines are reached by `reach`, if at all.
///
/// # Errors
///
/// As [`run`].
pub async fn run_and_reach(
    mut link: Link,
    inherited: Inherited,
    reach: Option<Arc<dyn Reach>>,
) -> Result<(), BridgeError> {
    let (outbox, writer) = link.outbox();
    let writer = tokio::spawn(writer);
    let bridge = Arc::new(Bridge::new(outbox.clone(), inherited, reach));
    outbox.control(&greeting());

    let mut router = Router::new(Arc::clone(&bridge));
    let routed = route(&mut link, &mut router).await;
    router.close_all();
    bridge.end_all_connections();
    if let Err(BridgeError::Router(refused)) = &routed {
        outbox.control(&refused.as_init());
    }
    outbox.finish();
    let _written_or_link_gone = writer.await;
    routed
}

async fn route(link: &mut Link, router: &mut Router) -> Result<(), BridgeError> {
    let bridge = Arc::clone(router.bridge());
    loop {
        tokio::select! {
            more = link.receive() => if !more? { return Ok(()) },
            () = bridge.ending.notified() => return Ok(()),
        }
        while let Some(frame) = link.next_frame()? {
            match frame {
                Frame::Control(message) => router.control(&message)?,
                Frame::Data(channel, payload) => router.data(&channel, payload)?,
            }
        }
    }
}

/// The bridge's `init`: what it can do, and what system it is on.
fn greeting() -> Control {
    let mut fields = Fields::new();
    fields.insert("capabilities".to_owned(), serde_json::json!({ "explicit-superuser": true }));
    fields.insert("os-release".to_owned(), user::os_release().into());
    Control::Init(Init { version: VERSION, host: None, problem: None, fields })
}
