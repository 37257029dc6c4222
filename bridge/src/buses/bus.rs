//! One connection to a message bus or to a single program, and the channels that use it.
//!
//! One task reads every message off the connection at once, so that nobody who is slow can hold up others: replies
//! go to who called, signals to whose matches they fit, calls to who published the object, each into that channel's
//! own bounded queue and in the order of the connection. Another task writes all that has gathered with one system
//! call; a third notices when the bus says nothing any more. Rules are counted, so that the bus has each of them once.
//! Callers: `channels::dbus`.
//!
//! The parts: `table` (queues and calls), `names`, `rules`, `published`, `outgoing`, `silence`; `client` is a channel's
//! side of all of them.

mod client;
mod names;
mod outgoing;
mod published;
mod rules;
mod silence;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use protocol::dbus_json::{Endian, Reader, body_signature};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use zbus::message::{Flags, Type};
use zbus::names::UniqueName;
use zbus::{Connection, Message};

use self::outgoing::Outgoing;
use self::table::{Pending, Table};
use crate::buses::incoming::Incoming;
use crate::buses::matching::SignalHead;
use crate::buses::socket::Socket;

pub use self::client::Client;
pub use self::silence::SILENCE_LIMIT;

/// The bus itself, as a destination and as a sender.
pub const DAEMON: &str = "org.freedesktop.DBus";

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// A message bus: it has names, owners and rules.
    Daemon,
    /// One program: all that it sends comes to us.
    Peer,
}

/// Whether a program that is not running is started for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Yes.
    Start,
    /// No: the name has no owner then.
    Leave,
}

/// What a channel hears from its bus.
#[derive(Debug)]
pub enum Event {
    /// The answer to the call with this tag: a method return or an error.
    Reply(u64, Message),
    /// The call with this tag will have no answer: the bus says nothing any more.
    Silence(u64),
    /// A signal, and who in the channel wants it.
    Signal {
        /// The signal.
        message: Message,
        /// The page wants it.
        for_page: bool,
        /// The cache wants it.
        for_cache: bool,
    },
    /// A call of an object that this channel published.
    Call(Message),
    /// Who owns a tracked name: once after [`Client::track`], then whenever it changes.
    Owner(Arc<str>, Option<Arc<str>>),
    /// The bus refuses a rule; signals would be missed.
    RuleRefused(String),
}

/// Why a channel hears nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The bus went away.
    Gone,
    /// More waited for the channel than may.
    Overfull,
}

/// A connection.
#[derive(Debug)]
pub struct Bus {
    flavour: Flavour,
    unique_name: Option<String>,
    outgoing: Arc<Outgoing>,
    table: Mutex<Table>,
    /// Calls are under way again.
    calling: Arc<Notify>,
    tasks: OnceLock<[AbortHandle; 3]>,
    /// The other end of a connection within this process: it lives as long as ours.
    _other_end: Option<Connection>,
}

/// A connection that has greeted.
#[derive(Debug)]
pub(super) struct Connected {
    /// The socket, and what was read of it already.
    pub(super) socket: Socket,
    pub(super) incoming: Incoming,
    pub(super) flavour: Flavour,
    /// Our own name on the bus.
    pub(super) unique_name: Option<String>,
}

impl Bus {
    /// A bus that was connected to, and its tasks; with the other end, when that is in this process.
    pub(super) fn start(connected: Connected, other_end: Option<Connection>) -> Arc<Self> {
        let Connected { socket, incoming, flavour, unique_name } = connected;
        let socket = Arc::new(socket);
        let bus = Arc::new(Self {
            flavour,
            unique_name,
            outgoing: Arc::default(),
            table: Mutex::default(),
            calling: Arc::default(),
            tasks: OnceLock::new(),
            _other_end: other_end,
        });
        let reading = tokio::spawn(read_all(Arc::downgrade(&bus), Arc::clone(&socket), incoming));
        let writing = tokio::spawn(outgoing::write_all(Arc::clone(&bus.outgoing), socket));
        let watching = tokio::spawn(silence::watch(Arc::downgrade(&bus)));
        let _set_once = bus.tasks.set([
            reading.abort_handle(),
            writing.abort_handle(),
            watching.abort_handle(),
        ]);
        bus
    }

    /// What is at the other end.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Our own name on the bus.
    pub fn unique_name(&self) -> Option<&str> {
        self.unique_name.as_deref()
    }

    /// Whether the connection ended.
    pub fn is_gone(&self) -> bool {
        self.table().gone
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the bus itself, and says what is done with its reply.
    fn ask(&self, table: &mut Table, member: &str, body: &impl Ask, then: Option<Pending>) {
        let flags = if then.is_none() { Flags::NO_REPLY_EXPECTED } else { Flags::empty() };
        let message = Message::method_call("/org/freedesktop/DBus", member)
            .destination(DAEMON)
            .interface(DAEMON)
            .with_flags(flags);
        let Ok(message) = body.build(message) else {
            return;
        };
        if let Some(then) = then {
            table
                .pending
                .insert(message.primary_header().serial_num(), then);
        }
        self.outgoing.put(&message);
    }

    fn dispatch(&self, message: Message) {
        match message.message_type() {
            Type::MethodReturn | Type::Error => self.reply(message),
            Type::Signal => self.signal(&message),
            Type::MethodCall => self.call(message),
        }
    }

    fn reply(&self, message: Message) {
        let Some(serial) = message.header().reply_serial() else {
            return;
        };
        let mut table = self.table();
        match table.pending.remove(&serial) {
            Some(Pending::Client { client, tag }) => {
                table.under_way = table.under_way.saturating_sub(1);
                if let Some(entry) = table.clients.get_mut(&client) {
                    entry.under_way = entry.under_way.saturating_sub(1);
                }
                table.push(client, Event::Reply(tag, message));
                self.send_backlog(&mut table);
            }
            Some(Pending::Rule { client }) if message.message_type() == Type::Error => {
                table.push(client, Event::RuleRefused(message.to_string()));
            }
            Some(Pending::Owner(name)) => self.owner_answer(&mut table, &name, &message),
            Some(Pending::Start(name)) => table.not_started(&name),
            Some(Pending::Rule { .. } | Pending::Presence) | None => {}
        }
    }

    /// Sends the calls whose turn it is.
    fn send_backlog(&self, table: &mut Table) {
        if table.silence.called() {
            self.calling.notify_one();
        }
        while let Some((client, tag, message)) = table.next_call(self.flavour) {
            let pending = Pending::Client { client, tag };
            table
                .pending
                .insert(message.primary_header().serial_num(), pending);
            self.outgoing.put(&message);
        }
    }

    fn signal(&self, message: &Message) {
        let header = message.header();
        let (Some(path), Some(interface), Some(member)) =
            (header.path(), header.interface(), header.member())
        else {
            return;
        };
        let body = message.body();
        let mut arguments = reader(message, body.data().bytes());
        let signature = body_signature(message.data().bytes(), endian(message)).unwrap_or_default();
        let arg0 = if signature.starts_with('s') { arguments.string().ok() } else { None };
        let head = SignalHead {
            path: path.as_str(),
            interface: interface.as_str(),
            member: member.as_str(),
            arg0,
        };
        let sender = header.sender().map(UniqueName::as_str);
        let mut table = self.table();
        if sender == Some(DAEMON) && head.interface == DAEMON && head.member == "NameOwnerChanged" {
            let (_old, new) = (arguments.string(), arguments.string());
            if let (Some(name), Ok(new)) = (arg0, new) {
                table.owner(name, Some(&Arc::<str>::from(new)).filter(|new| !new.is_empty()));
            }
        }
        for (client, for_page, for_cache) in table.audience(&head, sender) {
            let message = message.clone();
            table.push(client, Event::Signal { message, for_page, for_cache });
        }
    }

    /// The connection ended: all channels hear of it.
    fn gone(&self) {
        let mut table = self.table();
        table.gone = true;
        table.pending.clear();
        table.backlog.clear();
        for client in table.clients.values_mut() {
            client.end();
        }
        drop(table);
        self.outgoing.broken();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        for task in self.tasks.get().into_iter().flatten() {
            task.abort();
        }
    }
}

/// The body of a question to the bus.
trait Ask {
    fn build(&self, message: zbus::message::Builder<'_>) -> zbus::Result<Message>;
}

impl Ask for &str {
    fn build(&self, message: zbus::message::Builder<'_>) -> zbus::Result<Message> {
        message.build(self)
    }
}

impl Ask for () {
    fn build(&self, message: zbus::message::Builder<'_>) -> zbus::Result<Message> {
        message.build(self)
    }
}

impl Ask for (&str, u32) {
    fn build(&self, message: zbus::message::Builder<'_>) -> zbus::Result<Message> {
        message.build(self)
    }
}

/// Gives everybody what comes, until the connection ends.
async fn read_all(weak: Weak<Bus>, socket: Arc<Socket>, mut incoming: Incoming) {
    loop {
        let Some(bus) = weak.upgrade() else { return };
        bus.table().silence.heard();
        loop {
            match incoming.next_message() {
                Ok(Some(message)) => bus.dispatch(message),
                Ok(None) => break,
                Err(_) => return bus.gone(),
            }
        }
        drop(bus);
        let (buffer, descriptors) = incoming.room();
        match socket.read(buffer, descriptors).await {
            Ok(length @ 1..) => incoming.filled(length),
            Ok(0) | Err(_) => return weak.upgrade().map_or((), |bus| bus.gone()),
        }
    }
}

/// A reader of the body of `message`.
pub fn reader<'a>(message: &Message, body: &'a [u8]) -> Reader<'a> {
    Reader::new(body, endian(message), &[])
}

/// The byte order of `message`.
pub fn endian(message: &Message) -> Endian {
    match message.primary_header().endian_sig() {
        zbus::message::EndianSig::Little => Endian::Little,
        zbus::message::EndianSig::Big => Endian::Big,
    }
}
