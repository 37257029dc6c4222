//! Connections to message buses, shared by all channels of the bridge.
//!
//! There is one connection for each bus, made when a channel first needs it and kept. When a bus goes away its
//! channels end with `disconnected`, and the next channel connects anew (R15). A connection to a single peer (bus
//! `none`) belongs to its channel alone. Caller: `channels::dbus`.

pub mod bus;
mod handshake;
mod incoming;
pub mod matching;
mod socket;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::problem::Problem;
use zbus::{Address, Guid};

use crate::Bridge;
use crate::buses::bus::{Bus, Connected, Flavour};
pub use crate::buses::handshake::HandshakeError;
use crate::buses::handshake::Mechanism;
use crate::buses::incoming::Incoming;
use crate::buses::socket::{Socket, SocketError};
use crate::channel::Closed;
use crate::internal;

/// How long a bus may take to greet us.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BusAddress {
    /// The machine's.
    System,
    /// The user's.
    Session,
    /// The message bus at a D-Bus address.
    At(String),
    /// No message bus: one program at a D-Bus address.
    Peer(String),
    /// The objects within this process.
    Internal,
}

/// Why there is no connection to a bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The address is none, or one of a transport that is not spoken here.
    #[error("no connection to {bus}: {error}")]
    Address {
        /// Which bus, for people.
        bus: String,
        /// What is wrong with it.
        error: zbus::Error,
    },
    /// Nobody listens there, or not for us.
    #[error("no connection to {bus}: {error}")]
    Connect {
        /// Which bus, for people.
        bus: String,
        /// What was said.
        error: HandshakeError,
    },
    /// The objects within this process could not be made.
    #[error("no connection to {bus}: {error}")]
    Internal {
        /// Which bus, for people.
        bus: String,
        /// What zbus says.
        error: zbus::Error,
    },
    /// The bus did not greet us in time.
    #[error("{bus} did not answer within {} seconds", CONNECT_TIMEOUT.as_secs())]
    TimedOut {
        /// Which bus, for people.
        bus: String,
    },
}

/// The connections of one bridge.
#[derive(Debug, Default)]
pub struct Buses {
    shared: Mutex<HashMap<BusAddress, Arc<Slot>>>,
}

/// A connection once it was made. Locked while it is being made, so that it is made once.
type Slot = tokio::sync::Mutex<Option<Arc<Bus>>>;

impl Buses {
    /// The connection to the bus at `address`, made now if there is none.
    ///
    /// # Errors
    ///
    /// [`BusError`] when it cannot be made.
    pub async fn open(
        &self,
        bridge: &Arc<Bridge>,
        address: &BusAddress,
    ) -> Result<Arc<Bus>, BusError> {
        // Also who waits for another's attempt waits no longer than for one of its own.
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.shared(bridge, address)).await;
        opened.unwrap_or_else(|_| Err(BusError::TimedOut { bus: address.to_string() }))
    }

    async fn shared(
        &self,
        bridge: &Arc<Bridge>,
        address: &BusAddress,
    ) -> Result<Arc<Bus>, BusError> {
        if let BusAddress::Peer(_) = address {
            return connect(bridge, address).await;
        }
        let slot = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shared.entry(address.clone()).or_default())
        };
        let mut connection = slot.lock().await;
        if let Some(bus) = connection.as_ref().filter(|bus| !bus.is_gone()) {
            return Ok(Arc::clone(bus));
        }
        let bus = connect(bridge, address).await?;
        *connection = Some(Arc::clone(&bus));
        Ok(bus)
    }
}

async fn connect(bridge: &Arc<Bridge>, address: &BusAddress) -> Result<Arc<Bus>, BusError> {
    let (at, flavour) = match address {
        BusAddress::System => (Address::system(), Flavour::Daemon),
        BusAddress::Session => (Address::session(), Flavour::Daemon),
        BusAddress::At(at) => (Address::try_from(at.as_str()), Flavour::Daemon),
        BusAddress::Peer(at) => (Address::try_from(at.as_str()), Flavour::Peer),
        BusAddress::Internal => return internal(bridge).await,
    };
    let at = at.map_err(|error| BusError::Address { bus: address.to_string(), error })?;
    let failed = |error| BusError::Connect { bus: address.to_string(), error };
    let socket = Socket::connect(&at).await.map_err(|error| match error {
        SocketError::Transport(error) => BusError::Address { bus: address.to_string(), error },
        SocketError::Io(error) => failed(error.into()),
    })?;
    let connected = greet(socket, Mechanism::External, flavour, at.guid()).await;
    Ok(Bus::start(connected.map_err(failed)?, None))
}

/// Makes the objects of this process, and the connection to them.
async fn internal(bridge: &Arc<Bridge>) -> Result<Arc<Bus>, BusError> {
    let bus = || BusAddress::Internal.to_string();
    let failed = |error| BusError::Connect { bus: bus(), error };
    let (ours, theirs) = UnixStream::pair().map_err(|error| failed(error.into()))?;
    let ours = Socket::new(ours.into()).map_err(|error| failed(error.into()))?;
    // Both ends are this process: there is nothing to prove.
    let greeting = greet(ours, Mechanism::Anonymous, Flavour::Peer, None);
    let (connected, objects) = tokio::join!(greeting, internal::serve(bridge, theirs));
    let objects = objects.map_err(|error| BusError::Internal { bus: bus(), error })?;
    Ok(Bus::start(connected.map_err(failed)?, Some(objects)))
}

async fn greet(
    socket: Socket,
    mechanism: Mechanism,
    flavour: Flavour,
    wanted: Option<&Guid<'_>>,
) -> Result<Connected, HandshakeError> {
    let mut incoming = Incoming::default();
    let unique_name =
        handshake::greet(&socket, &mut incoming, (mechanism, flavour), wanted).await?;
    Ok(Connected { socket, incoming, flavour, unique_name })
}

impl std::fmt::Display for BusAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => f.write_str("the system bus"),
            Self::Session => f.write_str("the session bus"),
            Self::At(address) => write!(f, "the bus at {address}"),
            Self::Peer(address) => write!(f, "the program at {address}"),
            Self::Internal => f.write_str("the bridge's own bus"),
        }
    }
}

impl From<BusError> for Closed {
    fn from(error: BusError) -> Self {
        let problem = match &error {
            BusError::TimedOut { .. } => Problem::Timeout,
            BusError::Address { .. } => Problem::ProtocolError,
            BusError::Connect { error: HandshakeError::Io(error), .. } => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    Problem::AccessDenied
                } else {
                    Problem::NotFound
                }
            }
            BusError::Connect { error: HandshakeError::Refused(_), .. } => Problem::AccessDenied,
            BusError::Connect { .. } | BusError::Internal { .. } => Problem::InternalError,
        };
        Self::new(problem, error.to_string())
    }
}
