//! A peer: another bridge behind a link, to which this bridge forwards channels.
//!
//! The privileged bridge is one, bridges of other machines are others; how the link is made is their business
//! ([`Connect`]), all else is here. Frames pass unopened but for what routing needs. What the page sends before the peer
//! has greeted waits; when the link breaks, the peer's channels are closed. A peer is not trusted: it can speak only
//! about channels that were opened to it, and nothing it says about the link itself has an effect.

pub mod remote;
pub mod superuser;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use protocol::control::{Control, Init, VERSION};
use protocol::frame::{self, Frame};
use protocol::json::Fields;
use protocol::names::ChannelId;
use protocol::problem::Problem;

use crate::channel::Closed;
use crate::link::Link;
use crate::outbox::Outbox;

/// How long a peer may take from the start of its link to its `init` (T27).
const INIT_TIME: Duration = Duration::from_secs(20);

/// Bytes that may wait for a peer that has not greeted yet, or does not read (T27).
const WAITING_BYTES: usize = 8 << 20;

/// Makes the link to a peer.
pub trait Connect: Send + 'static {
    /// The link, as far as the peer's `init` is next on it.
    fn connect(self) -> impl Future<Output = Result<Link, Closed>> + Send;
}

/// What a peer is told when it has greeted.
#[derive(Debug)]
pub struct Greeting {
    /// What its own machine is called on this link: what is not remote to it.
    pub host: String,
    /// The way by which it is to get superuser access at once.
    pub superuser: Option<String>,
}

/// What a peer says goes here.
pub trait Upstream: Send + Sync + 'static {
    /// Data of a channel that may be the peer's; data of another's must be dropped.
    fn data(&self, peer: PeerId, channel: &ChannelId, payload: &[u8]);

    /// A message about a channel that may be the peer's, parsed and as it came; one about another's must be dropped.
    fn control(&self, peer: PeerId, channel: &ChannelId, control: &Control, message: &[u8]);

    /// Waits until more frames are wanted.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// The peer is gone: its channels are to be closed with `why`.
    fn gone(&self, peer: PeerId, why: Closed);
}

/// Tells the peers of one process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId(u64);

/// A handle to send to a peer. Cheap to clone; when the last one is dropped the link is ended.
#[derive(Debug, Clone)]
pub struct Peer {
    id: PeerId,
    state: Arc<Mutex<State>>,
    _last: Arc<Hold>,
}

#[derive(Debug)]
enum State {
    /// Not greeted yet: what waits, as it will stand on the link.
    Starting(BytesMut),
    Ready(Outbox),
    Gone(Closed),
}

/// Ends a task of the peer when what holds it goes: the reading one with the last handle, the writing one with that.
#[derive(Debug)]
struct Hold(tokio::task::AbortHandle);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Peer {
    /// Starts to connect. `greeted` is called with the peer's `init` once it is ready, or with what prevented it. A panic
    /// while it is served ends this peer alone (T28).
    pub fn start(
        connect: impl Connect,
        greeting: Greeting,
        upstream: Arc<impl Upstream>,
        greeted: impl FnOnce(Result<Init, Closed>) + Send + 'static,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = PeerId(NEXT.fetch_add(1, Ordering::Relaxed));
        let state = Arc::new(Mutex::new(State::Starting(BytesMut::new())));
        let serving =
            serve(id, connect, greeting, Arc::clone(&upstream), greeted, Arc::clone(&state));
        let task =
            tokio::spawn(supervise(id, serving, upstream, Arc::clone(&state))).abort_handle();
        Self { id, state, _last: Arc::new(Hold(task)) }
    }

    /// The peer's id.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Sends data of a channel.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the peer is gone or does not read: the channel must be closed.
    pub fn data(&self, channel: &ChannelId, payload: &[u8]) -> Result<(), Closed> {
        self.put(
            |outbox| outbox.data(channel, payload),
            |waiting| frame::encode_data(channel, payload, waiting),
        )
    }

    /// Sends a control message that stands ready as JSON.
    ///
    /// # Errors
    ///
    /// As [`Peer::data`].
    pub fn control(&self, message: &[u8]) -> Result<(), Closed> {
        self.put(
            |outbox| outbox.control_bytes(message),
            |waiting| frame::encode_control(message, waiting),
        )
    }

    fn put(
        &self,
        ready: impl FnOnce(&Outbox),
        starting: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Closed> {
        let mut state = lock(&self.state);
        let waiting = match &mut *state {
            State::Gone(closed) => return Err(closed.clone()),
            State::Ready(outbox) => {
                ready(outbox);
                outbox.waiting()
            }
            State::Starting(stream) => {
                starting(stream);
                stream.len()
            }
        };
        if waiting > WAITING_BYTES {
            let limit = WAITING_BYTES >> 20;
            let message = format!("more than {limit} MiB wait for a bridge that does not read");
            return Err(Closed::new(Problem::Terminated, message));
        }
        Ok(())
    }
}

/// Runs `serving`, which may panic: then the peer is gone, and nothing else is.
async fn supervise(
    id: PeerId,
    serving: impl Future<Output = ()> + Send + 'static,
    upstream: Arc<impl Upstream>,
    state: Arc<Mutex<State>>,
) {
    let task = tokio::spawn(serving);
    let _ends_with_this = Hold(task.abort_handle());
    if task.await.is_err_and(|ended| ended.is_panic()) {
        let why = Closed::new(
            Problem::InternalError,
            "the connection ended by a mistake in this program",
        );
        *lock(&state) = State::Gone(why.clone());
        upstream.gone(id, why);
    }
}

async fn serve(
    id: PeerId,
    connect: impl Connect,
    greeting: Greeting,
    upstream: Arc<impl Upstream>,
    greeted: impl FnOnce(Result<Init, Closed>) + Send,
    state: Arc<Mutex<State>>,
) {
    let (mut link, _writing) = match greet(connect, greeting, &state).await {
        Ok((init, link, writing)) => {
            greeted(Ok(init));
            (link, writing)
        }
        Err(closed) => {
            *lock(&state) = State::Gone(closed.clone());
            upstream.gone(id, closed.clone());
            return greeted(Err(closed));
        }
    };
    let why = relay(id, &mut link, &*upstream, &state).await;
    *lock(&state) = State::Gone(why.clone());
    upstream.gone(id, why);
}

/// Connects, takes the peer's `init`, answers it, and lets go what waited.
async fn greet(
    connect: impl Connect,
    greeting: Greeting,
    state: &Mutex<State>,
) -> Result<(Init, Link, Hold), Closed> {
    let mut link = connect.connect().await?;
    let Ok(init) = tokio::time::timeout(INIT_TIME, take_init(&mut link)).await else {
        let seconds = INIT_TIME.as_secs();
        let message = format!("the bridge did not greet within {seconds} s");
        return Err(Closed::new(Problem::Timeout, message));
    };
    let init = init?;
    let (outbox, writer) = link.outbox();
    let writing = Hold(tokio::spawn(writer).abort_handle());
    let mut fields = Fields::new();
    let superuser = match greeting.superuser {
        Some(way) => serde_json::json!({ "id": way }),
        None => false.into(),
    };
    fields.insert("superuser".to_owned(), superuser);
    outbox.control(&Control::Init(Init {
        version: VERSION,
        host: Some(greeting.host),
        problem: None,
        fields,
    }));
    let mut state = lock(state);
    if let State::Starting(waiting) = &*state {
        outbox.stream(waiting);
    }
    *state = State::Ready(outbox);
    Ok((init, link, writing))
}

async fn take_init(link: &mut Link) -> Result<Init, Closed> {
    let unexpected = |what: String| Closed::new(Problem::ProtocolError, what);
    loop {
        match link
            .next_frame()
            .map_err(|error| unexpected(error.to_string()))?
        {
            Some(Frame::Control(message)) => {
                let control = Control::parse(&message);
                let control = control.map_err(|error| unexpected(error.to_string()))?;
                let Control::Init(init) = control else {
                    return Err(unexpected("the bridge did not begin with init".to_owned()));
                };
                return usable(init);
            }
            Some(Frame::Data(..)) => {
                return Err(unexpected("the bridge did not begin with init".to_owned()));
            }
            None => {}
        }
        let more = link.receive().await;
        if !more.map_err(|error| Closed::new(Problem::Terminated, error.to_string()))? {
            return Err(Closed::new(Problem::Terminated, "the bridge ended before it greeted"));
        }
    }
}

fn usable(init: Init) -> Result<Init, Closed> {
    if let Some(problem) = init.problem {
        return Err(Closed { problem, message: String::new(), fields: init.fields });
    }
    if init.version != VERSION {
        let message = format!("the bridge speaks protocol version {}", init.version);
        return Err(Closed::new(Problem::NotSupported, message));
    }
    Ok(init)
}

/// Passes on what the peer says until the link ends; says why it did.
async fn relay(
    id: PeerId,
    link: &mut Link,
    upstream: &impl Upstream,
    state: &Mutex<State>,
) -> Closed {
    loop {
        upstream.room().await;
        match link.receive().await {
            Ok(true) => {}
            Ok(false) => return Closed::new(Problem::Terminated, "the bridge has ended"),
            Err(error) => return Closed::new(Problem::Terminated, error.to_string()),
        }
        loop {
            match link.next_frame() {
                Ok(Some(Frame::Data(channel, payload))) => upstream.data(id, &channel, &payload),
                Ok(Some(Frame::Control(message))) => match Control::parse(&message) {
                    Ok(control) => take_control(id, &control, &message, upstream, state),
                    Err(error) => return Closed::new(Problem::ProtocolError, error.to_string()),
                },
                Ok(None) => break,
                Err(error) => return Closed::new(Problem::ProtocolError, error.to_string()),
            }
        }
    }
}

/// What a peer may say: about channels what an end of a channel can mean, about the link nothing but `ping`. A question
/// for credentials gets the empty answer, so that who asks does not wait (T30).
fn take_control(
    id: PeerId,
    control: &Control,
    message: &[u8],
    upstream: &impl Upstream,
    state: &Mutex<State>,
) {
    let answer = match control {
        Control::Ready { channel, .. }
        | Control::Done { channel }
        | Control::Close { channel, .. }
        | Control::Options { channel, .. }
        | Control::Ack { channel, .. }
        | Control::Ping { channel: Some(channel), .. }
        | Control::Pong { channel: Some(channel), .. }
        | Control::Other { channel: Some(channel), .. } => {
            return upstream.control(id, channel, control, message);
        }
        Control::Ping { channel: None, fields } => {
            Control::Pong { channel: None, fields: fields.clone() }
        }
        Control::Authorize { challenge: Some(_), cookie, .. } => Control::Authorize {
            challenge: None,
            cookie: cookie.clone(),
            response: Some(String::new()),
            fields: Fields::new(),
        },
        Control::Init(_)
        | Control::Open(_)
        | Control::Pong { channel: None, .. }
        | Control::Kill { .. }
        | Control::Authorize { challenge: None, .. }
        | Control::Logout { .. }
        | Control::SuperuserInitDone
        | Control::Other { channel: None, .. } => return,
    };
    if let State::Ready(outbox) = &*lock(state) {
        outbox.control(&answer);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    struct Ready(UnixStream);

    impl Connect for Ready {
        async fn connect(self) -> Result<Link, Closed> {
            Ok(Link::from_socket(self.0).unwrap())
        }
    }

    struct Nobody;

    impl Upstream for Nobody {
        fn data(&self, _peer: PeerId, _channel: &ChannelId, _payload: &[u8]) {}

        fn control(&self, _: PeerId, _: &ChannelId, _: &Control, _: &[u8]) {}

        async fn room(&self) {}

        fn gone(&self, _peer: PeerId, _why: Closed) {}
    }

    #[tokio::test]
    async fn the_link_ends_with_the_last_handle() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
        let (greeted, greeting) = oneshot::channel();
        let told = Greeting { host: "localhost".to_owned(), superuser: None };
        let peer = Peer::start(Ready(ours), told, Arc::new(Nobody), |outcome| {
            greeted.send(outcome.map(drop)).unwrap();
        });
        theirs
            .write_all(b"31\n\n{\"command\":\"init\",\"version\":1}")
            .await
            .unwrap();
        greeting.await.unwrap().unwrap();

        drop(peer);

        let mut all = Vec::new();
        let reading = theirs.read_to_end(&mut all);
        tokio::time::timeout(INIT_TIME, reading)
            .await
            .expect("the end of the link")
            .unwrap();
    }
}
