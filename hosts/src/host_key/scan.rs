//! Asks a machine for its host keys, as ssh-keyscan(1) does: a key exchange for each type, and no login.
//!
//! What it returns is what somebody on the way may have shown: it vouches for nothing, but a person can compare it. Callers:
//! `pilothouse hostkeys scan` and `add --fingerprint`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::names::HostSpec;
use russh::client::{Config, Handler};
use russh::keys::PublicKeyOrCertificate;
use russh::{AlgorithmKind, Preferred};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::algorithms::Algorithms;
use super::key::HostKey;

/// How long a connection may take (security rule T27).
const CONNECT: Duration = Duration::from_secs(10);
/// How long banner and key exchange may take together (security rule T27).
const EXCHANGE: Duration = Duration::from_secs(25);

/// The keys of one machine.
#[derive(Debug)]
pub struct Scan {
    /// Where it was reached.
    pub address: SocketAddr,
    /// Its keys, one of each type that it has, best first. Never empty.
    pub keys: Vec<HostKey>,
}

/// Why a machine showed no key.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Its name leads nowhere.
    #[error("{host} has no address: {error}")]
    NoAddress {
        /// The host as it was typed.
        host: HostSpec,
        /// What the resolver says.
        error: std::io::Error,
    },
    /// No address of it can be connected to.
    #[error("{host} cannot be reached: {error}")]
    Unreachable {
        /// The host as it was typed.
        host: HostSpec,
        /// What the system says of the last address.
        error: std::io::Error,
    },
    /// It does not speak SSH as we do.
    #[error("{host} showed no host key: {reason}")]
    NoKey {
        /// The host as it was typed.
        host: HostSpec,
        /// What the key exchange says.
        reason: String,
    },
}

/// Connects to `host` once for each type of key.
///
/// # Errors
///
/// [`ScanError`] if it showed no key at all.
pub async fn scan(host: &HostSpec) -> Result<Scan, ScanError> {
    let (address, first) = connect(host).await?;
    let mut stream = Some(first);
    let mut keys = Vec::new();
    let mut reason = "it has no key of a type that is accepted".to_owned();
    for algorithms in Algorithms::by_type() {
        let stream = match stream.take() {
            Some(stream) => stream,
            None => connect_to(host, address).await?,
        };
        match show(stream, &algorithms).await {
            Ok(key) => keys.extend(key),
            Err(said) => reason = said,
        }
    }
    if keys.is_empty() {
        return Err(ScanError::NoKey { host: host.clone(), reason });
    }
    Ok(Scan { address, keys })
}

async fn connect(host: &HostSpec) -> Result<(SocketAddr, TcpStream), ScanError> {
    let place = (host.host().to_string(), host.ssh_port().number());
    let no_address = |error| ScanError::NoAddress { host: host.clone(), error };
    let addresses = lookup_host(place).await.map_err(no_address)?;
    let mut last = None;
    for address in addresses {
        match connect_to(host, address).await {
            Ok(stream) => return Ok((address, stream)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| no_address(std::io::ErrorKind::NotFound.into())))
}

async fn connect_to(host: &HostSpec, address: SocketAddr) -> Result<TcpStream, ScanError> {
    let connected = timeout(CONNECT, TcpStream::connect(address)).await;
    connected
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|error| ScanError::Unreachable { host: host.clone(), error })
}

/// One key exchange, which is broken off when the key is there. `None` if the machine has no key of that type.
async fn show(stream: TcpStream, algorithms: &Algorithms) -> Result<Option<HostKey>, String> {
    let shown = Arc::new(Mutex::new(None));
    let preferred = algorithms.applied_to(Preferred::default());
    let config = Arc::new(Config { preferred, ..Config::default() });
    let exchange = russh::client::connect_stream(config, stream, Spectator(shown.clone()));
    let ended = timeout(EXCHANGE, exchange).await;
    if let Some(key) = shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Ok(Some(key));
    }
    match ended {
        Ok(Err(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. })) => Ok(None),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(_)) => Err("it went on without a key".to_owned()),
        Err(_) => Err("it did not answer in time".to_owned()),
    }
}

/// Our end of the key exchange: it takes the key down and believes nobody.
struct Spectator(Arc<Mutex<Option<HostKey>>>);

impl Handler for Spectator {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        if let Ok(key) = HostKey::from_ssh(shown.public_key().key_data()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        }
        Ok(false)
    }
}
