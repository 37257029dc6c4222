//! Connections to message buses, shared by all channels of the bridge.
//!
//! There is one connection for each bus, made when a channel first needs it and kept. When a bus goes away its
//! channels end with `disconnected`, and the next channel connects anew (R15). A connection to a single peer (bus
//! `none`) belongs to its channel alone. Caller: `channels::dbus`.

pub mod bus;
pub mod matching;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::problem::Problem;
use zbus::connection::Builder;

use crate::Bridge;
use crate::buses::bus::{Bus, Flavour};
use crate::channel::Closed;
use crate::internal;

/// How long a bus may take to greet us.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that zbus holds before our dispatching task takes them.
const READ_AHEAD: std::num::NonZeroUsize = std::num::NonZeroUsize::new(256).unwrap();

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
    /// The address is none, or the connection could not be made.
    #[error("no connection to {bus}: {error}")]
    Connect {
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
    match tokio::time::timeout(CONNECT_TIMEOUT, establish(bridge, address)).await {
        Ok(Ok(bus)) => Ok(bus),
        Ok(Err(error)) => Err(BusError::Connect { bus: address.to_string(), error }),
        Err(_elapsed) => Err(BusError::TimedOut { bus: address.to_string() }),
    }
}

async fn establish(bridge: &Arc<Bridge>, address: &BusAddress) -> Result<Arc<Bus>, zbus::Error> {
    let (builder, flavour) = match address {
        BusAddress::System => (Builder::system(), Flavour::Daemon),
        BusAddress::Session => (Builder::session(), Flavour::Daemon),
        BusAddress::At(at) => (Builder::address(at.as_str()), Flavour::Daemon),
        BusAddress::Peer(at) => (Builder::address(at.as_str()).p2p(), Flavour::Peer),
        BusAddress::Internal => {
            let (connection, objects) = internal::connect(bridge).await?;
            return Ok(Bus::start(&connection, Flavour::Peer, Some(objects)));
        }
    };
    let connection = builder.max_queued(READ_AHEAD).build().await?;
    Ok(Bus::start(&connection, flavour, None))
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
            BusError::Connect { error: zbus::Error::Address(_), .. } => Problem::ProtocolError,
            BusError::Connect {
                error: zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _),
                ..
            } => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    Problem::AccessDenied
                } else {
                    Problem::NotFound
                }
            }
            BusError::Connect { .. } => Problem::InternalError,
        };
        Self::new(problem, error.to_string())
    }
}
