//! Our end of one SSH connection, as the library calls it back.
//!
//! It shows the host key to the stores during the key exchange, before anything is told to the machine, and refuses whatever
//! the machine wants to open: agent, X11 and TCP forwarding are never asked for (security rules T23, T25, T29). Made by `dial`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bridge::peer::remote::dialogue::{Dialogue, Progress, Warning};
use protocol::names::HostSpec;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId, ChannelOpenFailure, Names};
use tokio::sync::watch;

use super::algorithms::is_weak_without_strict_exchange;
use super::text::cleaned;
use crate::host_key::{HostKeys, Presented, Refused, VerifiedHost};

/// Most banners of one machine that are shown.
const MOST_BANNERS: usize = 4;

/// Why the key exchange came to nothing.
#[derive(Debug)]
pub(super) enum Halt {
    /// The library's reason.
    Ssh(russh::Error),
    /// The exchange is not strict, and what was agreed on needs that: try again without.
    NeedsStrictExchange,
}

impl From<russh::Error> for Halt {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What is known of a connection outside of the library's task.
#[derive(Debug, Default)]
pub(super) struct Seen {
    sight: Mutex<Sight>,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Sight {
    verdict: Option<Result<VerifiedHost, Refused>>,
    cut: Option<String>,
}

impl Seen {
    /// The verdict about the host key, once.
    pub(super) fn take_verdict(&self) -> Option<Result<VerifiedHost, Refused>> {
        self.lock().verdict.take()
    }

    /// Why the connection ended, when it has.
    pub(super) fn cut(&self) -> Option<String> {
        self.lock().cut.clone()
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let _we_hold_the_sender = ended.wait_for(|ended| *ended).await;
    }

    fn lock(&self) -> MutexGuard<'_, Sight> {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our end of one connection.
pub(super) struct Client {
    pub(super) host: HostSpec,
    pub(super) address: Option<SocketAddr>,
    pub(super) keys: Arc<HostKeys>,
    pub(super) seen: Arc<Seen>,
    pub(super) dialogue: Dialogue,
    pub(super) banners: usize,
}

impl Client {
    async fn refuse(&self, what: &str, reply: ChannelOpenHandle) -> Result<(), Halt> {
        tracing::warn!(host = %self.host, wanted = what, "refused to open what a machine wanted");
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }
}

/// The library drops it with its task, also when that panics.
impl Drop for Client {
    fn drop(&mut self) {
        self.seen.ended.send_replace(true);
    }
}

impl Handler for Client {
    type Error = Halt;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Halt> {
        self.dialogue.progress(Progress::Verifying);
        let verdict = Presented::new(self.host.clone(), self.address, shown)
            .map_err(Refused::from)
            .and_then(|presented| self.keys.verify(&presented, SystemTime::now()));
        let believed = verdict.is_ok();
        self.seen.lock().verdict = Some(verdict);
        Ok(believed)
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        names: &Names,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        if !names.strict_kex() && is_weak_without_strict_exchange(names.cipher) {
            return Err(Halt::NeedsStrictExchange);
        }
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _session: &mut Session) -> Result<(), Halt> {
        self.banners += 1;
        if self.banners <= MOST_BANNERS {
            let host = Some(self.host.to_string());
            self.dialogue.warn(Warning { host, text: cleaned(banner) });
        }
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("forwarded-tcpip", reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("forwarded-streamlocal", reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("auth-agent", reply).await
    }

    async fn should_accept_unknown_server_channel(&mut self, _id: ChannelId, kind: &str) -> bool {
        tracing::warn!(host = %self.host, wanted = %cleaned(kind), "refused to open what a machine wanted");
        false
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("session", reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("direct-tcpip", reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("direct-streamlocal", reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Halt> {
        self.refuse("x11", reply).await
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Halt>) -> Result<(), Halt> {
        let why = match reason {
            DisconnectReason::ReceivedDisconnect(info) => cleaned(&info.message),
            DisconnectReason::Error(Halt::Ssh(error)) => cleaned(&error.to_string()),
            DisconnectReason::Error(Halt::NeedsStrictExchange) => {
                "no strict key exchange".to_owned()
            }
        };
        self.seen.lock().cut = Some(why);
        Ok(())
    }
}
