//! `dbus-json3`: a D-Bus client for the page, in JSON.
//!
//! The page calls, listens, watches properties, emits signals and publishes objects of its own on a bus that all
//! channels share. Who may do what is decided by the bus and its services, for this user. `run` waits for the page, the
//! bus and time-outs in turn and gives each to the [`Conversation`], which never waits: so what the page hears is in
//! the order in which it happened. Text: docs/protocol.md, "dbus-json3".

mod cache;
mod conversation;
mod messages;
mod peer;
mod published;
mod requests;

use std::sync::Arc;

use protocol::json::Fields;
use protocol::limits::{MAX_CHANNEL_ID, MAX_FRAME};
use protocol::problem::Problem;
use serde::Deserialize;
use tokio::time::Instant;
use zbus::names::BusName;

use crate::buses::BusAddress;
use crate::buses::bus::{Activation, Client, End, Event, Flavour};
use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port};

use self::conversation::Conversation;

/// The kind.
#[derive(Debug)]
pub(super) struct Dbus;

/// Its options.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    bus: Option<String>,
    address: Option<String>,
    name: Option<String>,
}

/// Calls of one channel that may be under way before we read no more from its page.
const MAX_UNDER_WAY: usize = 4_096;

/// Longest message to the page in bytes: it must fit into a frame with its channel's id.
const MAX_TEXT: usize = MAX_FRAME - MAX_CHANNEL_ID - 1;

/// Events that are taken from the bus before the page's turn comes.
const EVENTS_AT_ONCE: usize = 64;

impl Channel for Dbus {
    const KIND: &'static str = "dbus-json3";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let address = options.bus_address()?;
        let bus = port.bridge.buses.open(&port.bridge, &address).await?;
        let mut client = bus.client();
        let name = options.service_name(bus.flavour())?;
        let owner = match &name {
            Some(name) => Some(first_owner(&mut client, name).await?),
            None => None,
        };
        port.ready(ready_fields(bus.unique_name()));
        let mut conversation = Conversation::new(client, Arc::clone(&port.bridge), name);
        if let Some(owner) = &owner {
            conversation.owner(Some(owner));
        }
        converse(&mut conversation, &mut port).await
    }
}

impl Options {
    fn bus_address(&self) -> Result<BusAddress, Closed> {
        let address = self.address.clone();
        match (self.bus.as_deref().unwrap_or("system"), address) {
            ("internal", _) => Ok(BusAddress::Internal),
            ("system" | "session", Some(address)) => Ok(BusAddress::At(address)),
            ("system", None) => Ok(BusAddress::System),
            ("session", None) => Ok(BusAddress::Session),
            ("none", Some(address)) if address == "internal" => Ok(BusAddress::Internal),
            ("none", Some(address)) => Ok(BusAddress::Peer(address)),
            ("none", None) => Err(Closed::protocol_error("bus \"none\" needs an address")),
            (other, _) => Err(Closed::protocol_error(format!("no bus is called {other:?}"))),
        }
    }

    /// The service that is meant where a message names none. A single program has no name.
    fn service_name(&self, flavour: Flavour) -> Result<Option<Arc<str>>, Closed> {
        match (&self.name, flavour) {
            (None, Flavour::Daemon | Flavour::Peer) | (Some(_), Flavour::Peer) => Ok(None),
            (Some(name), Flavour::Daemon) => match BusName::try_from(name.as_str()) {
                Ok(_valid) => Ok(Some(name.as_str().into())),
                Err(_) => Err(Closed::protocol_error(format!("{name:?} is not a bus name"))),
            },
        }
    }
}

/// Waits until `name` has an owner, which is started if it can be.
async fn first_owner(client: &mut Client, name: &Arc<str>) -> Result<Arc<str>, Closed> {
    client.track(name, Activation::Start);
    let answer = async {
        loop {
            match client.next().await {
                Some(Event::Owner(of, owner)) if of == *name => return Some(owner),
                Some(_) => {}
                None => return None,
            }
        }
    };
    match tokio::time::timeout(conversation::OWN_CALL_TIMEOUT, answer).await {
        Ok(Some(Some(owner))) => Ok(owner),
        Ok(Some(None)) => Err(Closed::new(
            Problem::NotFound,
            format!("{name} is not running and cannot be started"),
        )),
        Ok(None) => Err(ended(client.end())),
        Err(_elapsed) => {
            let seconds = conversation::OWN_CALL_TIMEOUT.as_secs();
            let message = format!("the bus did not say within {seconds} seconds who owns {name}");
            Err(Closed::new(Problem::Timeout, message))
        }
    }
}

fn ready_fields(unique_name: Option<&str>) -> Fields {
    let mut fields = Fields::new();
    if let Some(name) = unique_name {
        fields.insert("unique-name".to_owned(), name.into());
    }
    fields
}

fn ended(end: End) -> Closed {
    match end {
        End::Gone => Closed::new(Problem::Disconnected, "the bus went away"),
        End::Overfull => Closed::new(
            Problem::TooLarge,
            "too many messages of the bus wait for this channel, which does not read them",
        ),
    }
}

async fn converse(conversation: &mut Conversation, port: &mut Port) -> Result<Fields, Closed> {
    loop {
        for text in conversation.take_output() {
            if text.len() > MAX_TEXT {
                let message = format!("a message of {} bytes is too long for a frame", text.len());
                return Err(Closed::new(Problem::TooLarge, message));
            }
            tokio::select! {
                biased;
                () = port.sender.room() => {}
                // While the page does not read, too much came for it.
                () = conversation.client.ended() => return Err(ended(conversation.client.end())),
            }
            port.sender.send_now(text.as_bytes());
        }
        let deadline = conversation.next_deadline();
        let is_ready_for_more = conversation.under_way() < MAX_UNDER_WAY;
        tokio::select! {
            event = conversation.client.next() => match event {
                Some(event) => {
                    conversation.event(event)?;
                    for _ in 1..EVENTS_AT_ONCE {
                        let Some(event) = conversation.client.next_now() else { break };
                        conversation.event(event)?;
                    }
                }
                None => return Err(ended(conversation.client.end())),
            },
            incoming = port.receive(), if is_ready_for_more => match incoming {
                Some(Incoming::Data(data)) => {
                    conversation.request(&data)?;
                    port.receiver.used(data.len());
                    conversation.client.room().await;
                }
                Some(Incoming::Done | Incoming::Options(_) | Incoming::Other { .. }) => {}
                None => return Ok(Fields::new()),
            },
            () = sleep_until(deadline) => conversation.expire(Instant::now()),
        }
    }
}

/// Sleeps until `deadline`; for ever without one.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
