//! Other machines: the seam between this bridge and whatever reaches them.
//!
//! How a machine is reached is not known in this crate: that is [`Reach`], which a program sets once at its start, or not
//! at all (`pilothouse-bridge` has none). [`connections`] keeps what was reached, [`dialogue`] is what must be asked
//! meanwhile. Implemented by `hosts::ssh`; called by `router` and the channel `host-login`.

pub mod connections;
pub mod dialogue;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use protocol::control::SessionChoice;
use protocol::json::Fields;
use protocol::names::HostSpec;
use protocol::secret::Secret;

use crate::channel::Closed;
use crate::channels::Serving;
use crate::link::Link;
use crate::peer::remote::dialogue::Dialogue;
use crate::port::Port;

/// A way to other machines.
pub trait Reach: Send + Sync + fmt::Debug + 'static {
    /// Connects to `destination`, asking what is needed by `dialogue`.
    fn reach(&self, destination: Destination, dialogue: Dialogue) -> Reaching;
}

/// A machine being reached; dropping it gives up.
pub type Reaching = Pin<Box<dyn Future<Output = Result<Reached, Closed>> + Send>>;

/// Where to, as whom, and what is known already.
#[derive(Debug)]
pub struct Destination {
    /// The host, with user and port if they were named.
    pub host: HostSpec,
    /// Whether all channels share the connection.
    pub session: SessionChoice,
    /// A password for this machine that came with the `open`.
    pub password: Option<Secret>,
    /// The password of the login, if its user wants it used for other hosts.
    pub login_password: Option<Arc<Secret>>,
}

/// A machine that was reached.
pub enum Reached {
    /// A bridge runs there.
    Bridge(Link),
    /// No bridge can run there, but terminals can.
    TerminalsOnly(Arc<dyn Terminals>),
}

/// Terminals of a machine without a bridge.
pub trait Terminals: Send + Sync + fmt::Debug {
    /// Why there is no bridge: how all other channels are closed.
    fn no_bridge(&self) -> Closed;

    /// Serves a `stream` channel with `pty`.
    fn open(&self, options: Fields, port: Port) -> Serving;

    /// Waits until the connection has ended.
    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
