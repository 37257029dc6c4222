//! One connection to a message bus or to a single program, and the channels that use it.
//!
//! One task takes every message off the connection at once, so that nobody who is slow can hold up others: replies
//! go to who called, signals to whose matches they fit, calls to who published the object, each into that channel's
//! own bounded queue and in the order of the connection. Another task writes all that has gathered with one system
//! call. Rules are counted, so that the bus has each of them once. Callers: `channels::dbus`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use futures_util::StreamExt;
use protocol::dbus_json::{Endian, Reader, body_signature};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use zbus::message::{Flags, Type};
use zbus::names::{InterfaceName, UniqueName};
use zbus::{Connection, Message, MessageStream};

use crate::buses::matching::{Audience, Match, SignalHead};

/// The bus itself, as a destination and as a sender.
pub const DAEMON: &str = "org.freedesktop.DBus";

/// Messages that may wait for one channel: a page that does not read while signals pour in.
const QUEUE_MESSAGES: usize = 16 << 10;

/// Bytes that may wait for one channel, for the same reason.
const QUEUE_BYTES: usize = 64 << 20;

/// Bytes on their way to the bus before channels wait to send more.
const OUTGOING_ROOM: usize = 1 << 20;

/// Calls of all channels together that may be under way on a message bus, and those of one channel. The system bus
/// refuses more than 128 of one connection; what is beyond waits here for its turn.
const MAX_UNDER_WAY: usize = 124;
const MAX_UNDER_WAY_OF_ONE: usize = 100;

/// Names without users that are remembered with their owner, so that opening a channel to them asks nothing.
const IDLE_NAMES: usize = 64;

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
    tasks: OnceLock<[AbortHandle; 2]>,
    /// The other end of a connection within this process: it lives as long as ours.
    _other_end: Option<Connection>,
}

#[derive(Debug, Default)]
struct Table {
    gone: bool,
    last_client: u64,
    clients: HashMap<u64, ClientEntry>,
    pending: HashMap<NonZeroU32, Pending>,
    /// Calls of channels that are under way.
    under_way: usize,
    /// Calls of channels that wait for their turn.
    backlog: VecDeque<(u64, u64, Message)>,
    /// How many matches need each rule.
    rules: HashMap<String, usize>,
    names: HashMap<Arc<str>, Name>,
    /// Who published what: path and interface.
    published: HashMap<(String, String), u64>,
}

#[derive(Debug)]
struct ClientEntry {
    /// None once the client ended.
    events: Option<mpsc::Sender<Event>>,
    ended: Arc<Notify>,
    waiting_bytes: Arc<AtomicUsize>,
    under_way: usize,
    matches: Vec<Match>,
    names: HashSet<Arc<str>>,
}

/// What is done with a reply.
#[derive(Debug)]
enum Pending {
    Client {
        client: u64,
        tag: u64,
    },
    Rule {
        client: u64,
    },
    /// The answer to `GetNameOwner`.
    Owner(Arc<str>),
    /// The answer to `StartServiceByName`.
    Start(Arc<str>),
}

#[derive(Debug)]
struct Name {
    owner: Ownership,
    users: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Ownership {
    /// Asked for; `Activation` says what is done when there is none.
    Asked(Activation),
    Known(Option<Arc<str>>),
}

/// Messages on their way to the bus.
#[derive(Debug, Default)]
struct Outgoing {
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    bytes: usize,
    broken: bool,
}

impl Bus {
    /// A bus that was connected to, and its two tasks; with the other end, when that is in this process.
    pub fn start(
        connection: &Connection,
        flavour: Flavour,
        other_end: Option<Connection>,
    ) -> Arc<Self> {
        let stream = MessageStream::from(connection);
        let connection = connection.clone();
        let bus = Arc::new(Self {
            flavour,
            unique_name: connection.unique_name().map(ToString::to_string),
            outgoing: Arc::default(),
            table: Mutex::default(),
            tasks: OnceLock::new(),
            _other_end: other_end,
        });
        let reading = tokio::spawn(read_all(Arc::downgrade(&bus), stream));
        let writing = tokio::spawn(write_all(Arc::clone(&bus.outgoing), connection));
        let _set_once = bus
            .tasks
            .set([reading.abort_handle(), writing.abort_handle()]);
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

    /// A channel's part in the connection.
    pub fn client(self: &Arc<Self>) -> Client {
        let (sender, events) = mpsc::channel(QUEUE_MESSAGES);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(Notify::new());
        let mut table = self.table();
        table.last_client += 1;
        let id = table.last_client;
        let entry = ClientEntry {
            events: Some(sender).filter(|_| !table.gone),
            ended: Arc::clone(&ended),
            waiting_bytes: Arc::clone(&waiting_bytes),
            under_way: 0,
            matches: Vec::new(),
            names: HashSet::new(),
        };
        table.clients.insert(id, entry);
        drop(table);
        Client { bus: Arc::clone(self), id, events, ended, waiting_bytes }
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
        self.outgoing.put(message);
    }

    fn add_rule(&self, table: &mut Table, rule: &str, client: u64) {
        if self.flavour == Flavour::Peer {
            return;
        }
        let count = table.rules.entry(rule.to_owned()).or_default();
        *count += 1;
        if *count == 1 {
            self.ask(table, "AddMatch", &rule, Some(Pending::Rule { client }));
        }
    }

    fn remove_rule(&self, table: &mut Table, rule: &str) {
        let Some(count) = table.rules.get_mut(rule) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            table.rules.remove(rule);
            self.ask(table, "RemoveMatch", &rule, None);
        }
    }

    fn forget_name_user(&self, table: &mut Table, name: &str) {
        let Some(entry) = table.names.get_mut(name) else {
            return;
        };
        entry.users = entry.users.saturating_sub(1);
        let idle = table.names.values().filter(|name| name.users == 0).count();
        if idle <= IDLE_NAMES {
            return;
        }
        let Some(victim) = table
            .names
            .iter()
            .find(|(_, entry)| entry.users == 0)
            .map(|(name, _)| Arc::clone(name))
        else {
            return;
        };
        table.names.remove(&victim);
        self.remove_rule(table, &owner_rule(&victim));
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
            Some(Pending::Start(name)) => {
                // The owner was announced before this reply. Without one there was nothing to start.
                if let Some(Name { owner: Ownership::Asked(_), .. }) = table.names.get(&name) {
                    table.owner(&name, None);
                }
            }
            Some(Pending::Rule { .. }) | None => {}
        }
    }

    /// Sends the calls whose turn it is.
    fn send_backlog(&self, table: &mut Table) {
        while let Some((client, tag, message)) = table.next_call(self.flavour) {
            let pending = Pending::Client { client, tag };
            table
                .pending
                .insert(message.primary_header().serial_num(), pending);
            self.outgoing.put(message);
        }
    }

    fn owner_answer(&self, table: &mut Table, name: &Arc<str>, message: &Message) {
        let Some(&Name { owner: Ownership::Asked(activation), .. }) = table.names.get(name) else {
            return;
        };
        let body = message.body();
        let mut reader = reader(message, body.data().bytes());
        if message.message_type() == Type::MethodReturn
            && let Ok(owner) = reader.string()
        {
            table.owner(name, Some(&owner.into()));
        } else if activation == Activation::Start {
            let then = Some(Pending::Start(Arc::clone(name)));
            self.ask(table, "StartServiceByName", &(&**name, 0_u32), then);
        } else {
            table.owner(name, None);
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

    fn call(&self, message: Message) {
        let header = message.header();
        let path = header.path().map_or("", |path| path.as_str());
        let interface = header.interface().map(InterfaceName::as_str);
        let mut table = self.table();
        let client = table
            .published
            .iter()
            .find(|((known_path, known_interface), _)| {
                known_path == path
                    && interface.is_none_or(|interface| {
                        interface == known_interface
                            || interface.starts_with("org.freedesktop.DBus.")
                    })
            })
            .map(|(_, client)| *client);
        match client {
            Some(client) => table.push(client, Event::Call(message)),
            None => self.refuse_call(&message),
        }
    }

    fn refuse_call(&self, message: &Message) {
        let header = message.header();
        if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return;
        }
        let interface = header.interface().map(InterfaceName::as_str);
        let answer = if interface == Some("org.freedesktop.DBus.Peer")
            && header.member().is_some_and(|member| member == "Ping")
        {
            Message::method_return(&header).build(&())
        } else {
            Message::error(&header, "org.freedesktop.DBus.Error.UnknownObject")
                .build(&"there is no such object")
        };
        if let Ok(answer) = answer {
            self.outgoing.put(answer);
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

impl Table {
    fn push(&mut self, client: u64, event: Event) {
        let Some(entry) = self.clients.get_mut(&client) else {
            return;
        };
        let bytes = event.bytes();
        let waiting = entry.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = waiting == 0 || waiting + bytes <= QUEUE_BYTES;
        let taken = fits
            && entry
                .events
                .as_ref()
                .is_some_and(|events| events.try_send(event).is_ok());
        if !taken {
            entry.end();
        }
    }

    /// Takes the next call that may be sent out of the backlog.
    fn next_call(&mut self, flavour: Flavour) -> Option<(u64, u64, Message)> {
        if flavour == Flavour::Daemon && self.under_way >= MAX_UNDER_WAY {
            return None;
        }
        let clients = &self.clients;
        let at = self.backlog.iter().position(|(client, _, _)| {
            flavour == Flavour::Peer
                || clients
                    .get(client)
                    .is_some_and(|client| client.under_way < MAX_UNDER_WAY_OF_ONE)
        })?;
        let call = self.backlog.remove(at)?;
        self.under_way += 1;
        if let Some(entry) = self.clients.get_mut(&call.0) {
            entry.under_way += 1;
        }
        Some(call)
    }

    /// Takes the owner of a name and tells those who track it, when it is another than before.
    fn owner(&mut self, name: &str, owner: Option<&Arc<str>>) {
        let Some((name, entry)) = self
            .names
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
            .and_then(|name| Some((Arc::clone(&name), self.names.get_mut(&name)?)))
        else {
            return;
        };
        let known = Ownership::Known(owner.cloned());
        if entry.owner == known {
            return;
        }
        entry.owner = known;
        let trackers: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| client.names.contains(&name))
            .map(|(id, _)| *id)
            .collect();
        for client in trackers {
            self.push(client, Event::Owner(Arc::clone(&name), owner.cloned()));
        }
    }

    /// The clients that want a signal, and which of their audiences.
    fn audience(&self, head: &SignalHead<'_>, sender: Option<&str>) -> Vec<(u64, bool, bool)> {
        let mut wanted = Vec::new();
        for (id, client) in &self.clients {
            let (mut for_page, mut for_cache) = (false, false);
            for wish in &client.matches {
                if wish.covers(head) && self.is_from(wish.name.as_deref(), sender) {
                    match wish.audience {
                        Audience::Page => for_page = true,
                        Audience::Cache => for_cache = true,
                    }
                }
            }
            if for_page || for_cache {
                wanted.push((*id, for_page, for_cache));
            }
        }
        wanted
    }

    /// Whether the sender of a signal owns `name`. A single peer has no name and sends everything.
    fn is_from(&self, name: Option<&str>, sender: Option<&str>) -> bool {
        let (Some(name), Some(sender)) = (name, sender) else {
            return true;
        };
        name == sender
            || self.names.get(name).is_some_and(|name| match &name.owner {
                Ownership::Known(Some(owner)) => &**owner == sender,
                Ownership::Known(None) | Ownership::Asked(_) => false,
            })
    }
}

impl ClientEntry {
    fn end(&mut self) {
        self.events = None;
        self.ended.notify_one();
    }
}

impl Event {
    fn bytes(&self) -> usize {
        match self {
            Self::Reply(_, message) | Self::Call(message) | Self::Signal { message, .. } => {
                message.data().bytes().len()
            }
            Self::Owner(_, _) | Self::RuleRefused(_) => 0,
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

impl Ask for (&str, u32) {
    fn build(&self, message: zbus::message::Builder<'_>) -> zbus::Result<Message> {
        message.build(self)
    }
}

/// A channel's part in a connection. Dropping it undoes all that it asked for.
#[derive(Debug)]
pub struct Client {
    bus: Arc<Bus>,
    id: u64,
    events: mpsc::Receiver<Event>,
    ended: Arc<Notify>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Client {
    /// The connection.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Waits for what comes from the bus; `None` when nothing more will.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.waiting_bytes
            .fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// The next event if there is one already.
    pub fn next_now(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        self.waiting_bytes
            .fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// Waits until nothing more is added to what comes. For one caller, once.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Why nothing more comes.
    pub fn end(&self) -> End {
        if self.bus.is_gone() { End::Gone } else { End::Overfull }
    }

    /// Waits until not too much is on its way to the bus.
    pub async fn room(&self) {
        self.bus.outgoing.room().await;
    }

    /// Sends a call; its reply comes with `tag`.
    pub fn call(&self, message: Message, tag: u64) {
        let mut table = self.bus.table();
        if table.gone {
            return;
        }
        table.backlog.push_back((self.id, tag, message));
        self.bus.send_backlog(&mut table);
    }

    /// Sends a message that has no reply.
    pub fn send(&self, message: Message) {
        self.bus.outgoing.put(message);
    }

    /// Wants signals.
    pub fn listen(&self, wish: Match) {
        let mut table = self.bus.table();
        self.bus.add_rule(&mut table, &wish.rule(), self.id);
        if let Some(entry) = table.clients.get_mut(&self.id) {
            entry.matches.push(wish);
        }
    }

    /// Wants them no longer. What was wanted twice is wanted once more.
    pub fn ignore(&self, wish: &Match) {
        let mut table = self.bus.table();
        let Some(entry) = table.clients.get_mut(&self.id) else {
            return;
        };
        if let Some(at) = entry.matches.iter().position(|known| known == wish) {
            entry.matches.swap_remove(at);
            self.bus.remove_rule(&mut table, &wish.rule());
        }
    }

    /// Follows who owns `name`: an [`Event::Owner`] now, and at every change. Once for each name.
    pub fn track(&self, name: &Arc<str>, activation: Activation) {
        let mut table = self.bus.table();
        let Some(entry) = table.clients.get_mut(&self.id) else {
            return;
        };
        if !entry.names.insert(Arc::clone(name)) {
            return;
        }
        let (ask, known) = match table.names.get_mut(name) {
            None => {
                let asked = Name { owner: Ownership::Asked(activation), users: 1 };
                table.names.insert(Arc::clone(name), asked);
                self.bus.add_rule(&mut table, &owner_rule(name), self.id);
                (true, None)
            }
            Some(entry) => {
                entry.users += 1;
                let ask = match (&entry.owner, activation) {
                    (Ownership::Known(None), Activation::Start) => true,
                    (
                        Ownership::Asked(_) | Ownership::Known(_),
                        Activation::Start | Activation::Leave,
                    ) => false,
                };
                match &mut entry.owner {
                    Ownership::Asked(asked) if activation == Activation::Start => {
                        *asked = activation;
                    }
                    owner @ Ownership::Known(None) if ask => *owner = Ownership::Asked(activation),
                    Ownership::Asked(_) | Ownership::Known(_) => {}
                }
                match &entry.owner {
                    Ownership::Known(owner) => (ask, Some(owner.clone())),
                    Ownership::Asked(_) => (ask, None),
                }
            }
        };
        if let Some(owner) = known {
            table.push(self.id, Event::Owner(Arc::clone(name), owner));
        }
        if ask {
            let then = Some(Pending::Owner(Arc::clone(name)));
            self.bus.ask(&mut table, "GetNameOwner", &&**name, then);
        }
    }

    /// Takes calls of an interface of an object of ours; false when another channel does.
    pub fn publish(&self, path: &str, interface: &str) -> bool {
        let mut table = self.bus.table();
        let key = (path.to_owned(), interface.to_owned());
        *table.published.entry(key).or_insert(self.id) == self.id
    }

    /// Takes no more of its calls.
    pub fn unpublish(&self, path: &str, interface: &str) {
        let mut table = self.bus.table();
        let key = (path.to_owned(), interface.to_owned());
        if table.published.get(&key) == Some(&self.id) {
            table.published.remove(&key);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut table = self.bus.table();
        let Some(entry) = table.clients.remove(&self.id) else {
            return;
        };
        table.published.retain(|_, client| *client != self.id);
        table.backlog.retain(|(client, _, _)| *client != self.id);
        if table.gone {
            return;
        }
        for wish in &entry.matches {
            self.bus.remove_rule(&mut table, &wish.rule());
        }
        for name in &entry.names {
            self.bus.forget_name_user(&mut table, name);
        }
    }
}

impl Outgoing {
    fn put(&self, message: Message) {
        let mut queue = self.lock();
        if queue.broken {
            return;
        }
        queue.bytes += message.data().bytes().len();
        queue.messages.push(message);
        if queue.messages.len() == 1 {
            self.filled.notify_one();
        }
    }

    async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let queue = self.lock();
                if queue.bytes < OUTGOING_ROOM || queue.broken {
                    return;
                }
            }
            drained.await;
        }
    }

    fn broken(&self) {
        *self.lock() = Queue { broken: true, ..Queue::default() };
        self.drained.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rule that tells of the owner of `name`.
fn owner_rule(name: &str) -> String {
    format!(
        "type='signal',sender='{DAEMON}',interface='{DAEMON}',member='NameOwnerChanged',arg0='{name}'"
    )
}

async fn write_all(outgoing: Arc<Outgoing>, connection: Connection) {
    loop {
        let messages = {
            let mut queue = outgoing.lock();
            if queue.broken {
                return;
            }
            std::mem::take(&mut queue.messages)
        };
        if messages.is_empty() {
            outgoing.filled.notified().await;
            continue;
        }
        // An error ends the connection, and the reading task hears of that too.
        if connection.send_all(&messages).await.is_err() {
            let _it_is_broken_anyway = connection.close().await;
            return;
        }
        let written: usize = messages
            .iter()
            .map(|message| message.data().bytes().len())
            .sum();
        let mut queue = outgoing.lock();
        queue.bytes = queue.bytes.saturating_sub(written);
        drop(queue);
        outgoing.drained.notify_waiters();
    }
}

async fn read_all(bus: Weak<Bus>, mut stream: MessageStream) {
    while let Some(Ok(message)) = stream.next().await {
        let Some(bus) = bus.upgrade() else {
            return;
        };
        bus.dispatch(message);
    }
    if let Some(bus) = bus.upgrade() {
        bus.gone();
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
