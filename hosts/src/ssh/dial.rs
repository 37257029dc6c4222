//! One hop: from a name to a connection whose machine has shown a key that is believed.
//!
//! A connection that is not believed is dropped before anybody is authenticated; if a person then vouches for the key, it is
//! made anew and looked up again, so that what is used is what is stored (security rules T23, T32). Every stage has its
//! limit (T27). Called by `reach` for each machine on the way.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge::peer::remote::dialogue::{Answer, Ask, Dialogue, Progress, Store, Unanswered};
use bridge::user::User;
use protocol::names::{HostName, HostSpec};
use russh::client::Handle;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::algorithms::{KeyExchange, config};
use super::client::{Client, Halt, Seen};
use super::failure::Failure;
use super::text::cleaned;
use crate::host_key::{HostKey, HostKeys, Note, Refused, Unknown, VerifiedHost};

/// For the resolver to answer (R16).
const RESOLVE_TIME: Duration = Duration::from_secs(5);

/// For a TCP connection, all addresses of the machine together, and for a jump host to make one.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);

/// For the machine to say that it speaks SSH.
const BANNER_TIME: Duration = Duration::from_secs(10);

/// For the key exchange.
const KEY_EXCHANGE_TIME: Duration = Duration::from_secs(15);

/// How long the kernel keeps sending to a machine that acknowledges nothing before the connection is broken: what keep-alive
/// cannot see while a write waits.
const UNACKNOWLEDGED_MILLISECONDS: u32 = 60_000;

/// Bytes that wait in each direction between a jump host's connection and the one through it.
const BETWEEN_HOPS: usize = 2 << 20;

/// Most connections for one hop: one that asks about the key, one without strict key exchange, and both.
const MOST_ATTEMPTS: usize = 4;

/// A hop: what it is called by whom.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    /// As the user typed it.
    pub(super) typed: HostSpec,
    /// Where it is, and as what its key is stored: the configuration may say another name.
    pub(super) place: HostSpec,
}

/// A machine that is who it claims to be; nobody is logged in.
pub(super) struct Met {
    /// The connection.
    pub(super) handle: Handle<Client>,
    /// The proof.
    pub(super) verified: VerifiedHost,
    /// What is seen of it.
    pub(super) seen: Arc<Seen>,
}

/// How one connects to the next machine.
pub(super) trait Line: Send + Sync {
    /// A new connection, and the address if it is one of this machine.
    fn connect(
        &self,
        hop: &Hop,
    ) -> impl Future<Output = Result<(Box<dyn Stream>, Option<SocketAddr>), Failure>> + Send;
}

/// Bytes to and from a machine.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Straight from here.
pub(super) struct Direct;

/// Through a machine that was reached.
pub(super) struct Through<'a>(pub(super) &'a Handle<Client>);

/// Connects to `hop` and has its key believed, by the stores or by a person.
pub(super) async fn meet(
    hop: &Hop,
    line: &impl Line,
    keys: &Arc<HostKeys>,
    dialogue: &Dialogue,
) -> Result<Met, Failure> {
    let mut exchange = KeyExchange::Strict;
    for _ in 0..MOST_ATTEMPTS {
        dialogue.progress(Progress::Connecting);
        match attempt(hop, line, keys, dialogue, exchange).await? {
            Attempt::Met(met) => return Ok(*met),
            Attempt::NeedsStrictExchange => exchange = KeyExchange::Plain,
            Attempt::Refused(why) => match *why {
                Refused::Unknown(unknown) => vouched(hop, keys, *unknown, dialogue).await?,
                why @ (Refused::Changed(_)
                | Refused::Revoked(_)
                | Refused::Damaged(_)
                | Refused::Unusable(_)) => return Err(not_believed(hop, why)),
            },
        }
    }
    let why = "its host key is another one each time".to_owned();
    Err(Failure::Protocol { host: hop.typed.to_string(), why })
}

enum Attempt {
    Met(Box<Met>),
    NeedsStrictExchange,
    Refused(Box<Refused>),
}

async fn attempt(
    hop: &Hop,
    line: &impl Line,
    keys: &Arc<HostKeys>,
    dialogue: &Dialogue,
    exchange: KeyExchange,
) -> Result<Attempt, Failure> {
    let offered = match keys.algorithms_for(&hop.place) {
        Ok(offered) => offered,
        Err(refused) => return Ok(Attempt::Refused(Box::new(refused))),
    };
    let (stream, address) = line.connect(hop).await?;
    let seen = Arc::new(Seen::default());
    let client = Client {
        host: hop.place.clone(),
        address,
        keys: Arc::clone(keys),
        seen: Arc::clone(&seen),
        dialogue: dialogue.clone(),
        banners: 0,
    };
    let heard = Arc::new(AtomicBool::new(false));
    let stream = Heard { stream, heard: Arc::clone(&heard) };
    let settings = Arc::new(config(&offered, exchange));
    let mut connecting = pin!(russh::client::connect_stream(settings, stream, client));
    let late = |stage, limit| Failure::TimedOut { host: hop.typed.to_string(), stage, limit };
    let begun = Instant::now();
    let connected = match timeout(BANNER_TIME, &mut connecting).await {
        Ok(connected) => connected,
        Err(_) if !heard.load(Ordering::Relaxed) => {
            return Err(late("say that it speaks SSH", BANNER_TIME));
        }
        Err(_) => timeout_at(begun + BANNER_TIME + KEY_EXCHANGE_TIME, connecting)
            .await
            .map_err(|_| late("finish the key exchange", KEY_EXCHANGE_TIME))?,
    };
    match (connected, seen.take_verdict()) {
        (Ok(handle), Some(Ok(verified))) => {
            Ok(Attempt::Met(Box::new(Met { handle, verified, seen })))
        }
        (Ok(_) | Err(_), Some(Err(refused))) => Ok(Attempt::Refused(Box::new(refused))),
        (Err(Halt::NeedsStrictExchange), _) if exchange == KeyExchange::Strict => {
            Ok(Attempt::NeedsStrictExchange)
        }
        (Err(halt), _) => Err(halted(hop, halt)),
        // The library did not show us the key: nothing is believed.
        (Ok(_), None) => Err(Failure::Protocol {
            host: hop.typed.to_string(),
            why: "it showed no host key".to_owned(),
        }),
    }
}

/// Asks a person whether the key is the machine's, and stores it.
async fn vouched(
    hop: &Hop,
    keys: &HostKeys,
    unknown: Unknown,
    dialogue: &Dialogue,
) -> Result<(), Failure> {
    let key = unknown.key();
    let place = match unknown.presented().address() {
        Some(address) => address.to_string(),
        None => hop.place.to_string(),
    };
    let names = unknown.other_names().iter();
    let ask = Ask::HostKey {
        host: hop.typed.to_string(),
        address: place,
        key_type: key.kind().as_str().to_owned(),
        fingerprint: key.fingerprint().to_string(),
        key: format!("{} {}", key.kind(), key.base64()),
        known_as: names.map(|other| cleaned(&other.name)).collect(),
    };
    match dialogue.ask(ask).await {
        Ok(Answer::HostKey { key, store }) => store_answer(keys, unknown, &key, store)
            .map_err(|why| Failure::NotStored { host: hop.typed.to_string(), why }),
        Ok(Answer::Responses(_) | Answer::Passphrase { .. })
        | Err(Unanswered::NobodyThere | Unanswered::GivenUp) => {
            Err(not_believed(hop, Refused::Unknown(Box::new(unknown))))
        }
    }
}

/// Stores the key of the answer, which must be the one that was shown.
fn store_answer(
    keys: &HostKeys,
    unknown: Unknown,
    answer: &str,
    store: Store,
) -> Result<(), String> {
    if store == Store::Everybody {
        return Err("a key for everybody is stored with superuser access: pilothouse hostkeys add"
            .to_owned());
    }
    let encoded = answer
        .split_once(' ')
        .map_or(answer, |(_, encoded)| encoded);
    let encoded = STANDARD
        .decode(encoded)
        .map_err(|_| "the answer is no key")?;
    let answer = HostKey::from_encoded(encoded).map_err(|error| error.to_string())?;
    let note = Note { who: User::current().name, when: SystemTime::now(), reason: String::new() };
    unknown
        .accept(&answer, keys, &note)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn not_believed(hop: &Hop, why: Refused) -> Failure {
    Failure::HostKey { host: hop.place.clone().with_user(None).to_string(), why: Box::new(why) }
}

fn halted(hop: &Hop, halt: Halt) -> Failure {
    let host = hop.typed.to_string();
    match halt {
        Halt::Ssh(russh::Error::NoCommonAlgo { kind, ours, theirs }) => {
            Failure::NoCommonAlgorithm {
                host,
                kind: match kind {
                    russh::AlgorithmKind::Kex => "key exchange",
                    russh::AlgorithmKind::Key => "host key",
                    russh::AlgorithmKind::Cipher => "cipher",
                    russh::AlgorithmKind::Compression => "compression",
                    russh::AlgorithmKind::Mac => "message authentication",
                },
                theirs: cleaned(&theirs.join(", ")),
                ours: ours.join(", "),
            }
        }
        Halt::Ssh(error) => Failure::Protocol { host, why: cleaned(&error.to_string()) },
        Halt::NeedsStrictExchange => {
            Failure::Protocol { host, why: "no strict key exchange".to_owned() }
        }
    }
}

impl Line for Direct {
    async fn connect(&self, hop: &Hop) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Failure> {
        let host = hop.typed.to_string();
        let addresses = addresses(hop).await?;
        let connecting = async {
            let mut last = None;
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok((stream, address)),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string()))
        };
        let limit = CONNECT_TIME;
        let (stream, address) = timeout(limit, connecting)
            .await
            .map_err(|_| Failure::TimedOut { host: host.clone(), stage: "answer", limit })?
            .map_err(|why| Failure::Unreachable { host: host.clone(), why })?;
        let set = stream.set_nodelay(true).and_then(|()| {
            rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MILLISECONDS)
                .map_err(Into::into)
        });
        set.map_err(|error| Failure::Unreachable { host, why: error.to_string() })?;
        Ok((Box::new(stream), Some(address)))
    }
}

async fn addresses(hop: &Hop) -> Result<Vec<SocketAddr>, Failure> {
    let port = hop.place.ssh_port().number();
    let name = match hop.place.host() {
        HostName::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        HostName::Dns(name) => name.as_str(),
    };
    let failed = |why: String| Failure::NoAddress { host: name.to_owned(), why };
    match timeout(RESOLVE_TIME, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {} s", RESOLVE_TIME.as_secs()))),
    }
}

impl Line for Through<'_> {
    async fn connect(&self, hop: &Hop) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Failure> {
        let host = hop.typed.to_string();
        let name = hop.place.host().to_string();
        let port = u32::from(hop.place.ssh_port().number());
        let opening = self.0.channel_open_direct_tcpip(name, port, "127.0.0.1", 0);
        let limit = CONNECT_TIME;
        let channel = timeout(limit, opening)
            .await
            .map_err(|_| Failure::TimedOut {
                host: host.clone(),
                stage: "answer its jump host",
                limit,
            })?
            .map_err(|error| Failure::Unreachable { host, why: cleaned(&error.to_string()) })?;
        // Two connections in one another each wait for the other's reader unless there is room between them.
        let (inner, mut outer) = tokio::io::duplex(BETWEEN_HOPS);
        tokio::spawn(async move {
            let mut channel = channel.into_stream();
            let _either_end_may_break =
                tokio::io::copy_bidirectional(&mut outer, &mut channel).await;
        });
        Ok((Box::new(inner), None))
    }
}

/// Notes that the machine has said something.
struct Heard {
    stream: Box<dyn Stream>,
    heard: Arc<AtomicBool>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
