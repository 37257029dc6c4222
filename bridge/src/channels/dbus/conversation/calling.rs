//! Calls of the page and their replies, signals in both directions.

use zbus::Message;
use zbus::message::{Flags, Type};

use serde_json::Value as Json;

use crate::channel::Closed;

use super::super::messages::{self, BuildError};
use super::super::peer::{Node, Waiter, is_standard};
use super::super::requests::{Address, Call, Emission};
use super::{Conversation, Failure, Job};

/// What is known of a method's arguments.
enum Inputs {
    Known(String),
    /// The object was looked at and does not have the method.
    NoSuchMethod,
    /// The object must be looked at first.
    Unknown,
}

impl Conversation {
    /// Calls a method, now or when the types of its arguments are known.
    pub(super) fn call(&mut self, call: Call) {
        let peer = match self.peer_named(call.name.as_ref()) {
            Ok(peer) => peer,
            Err(failure) => return self.refuse(0, call.id.as_ref(), &failure),
        };
        let inputs = match &call.signature {
            Some(signature) => Inputs::Known(signature.clone()),
            None if call.arguments.is_empty() => Inputs::Known(String::new()),
            None => self.inputs(peer, &call.address, &call.method),
        };
        match inputs {
            Inputs::Known(signature) => self.send_call(peer, &call, &signature),
            Inputs::NoSuchMethod => {
                let Address { path, interface } = &call.address;
                let message = format!("{path} has no method {} in {interface}", call.method);
                let name = "org.freedesktop.DBus.Error.UnknownMethod";
                self.refuse(peer, call.id.as_ref(), &Failure::new(name, message));
            }
            Inputs::Unknown => {
                self.calls_waiting += 1;
                let path = call.address.path.clone();
                self.introspect(peer, &path, Waiter::Call(call));
            }
        }
    }

    /// Answers a call with an error, in its order.
    pub(super) fn refuse(&mut self, peer: usize, id: Option<&Json>, failure: &Failure) {
        if let Some(id) = id {
            self.tell(peer, messages::error_text(id, &failure.name, &failure.message));
        }
    }

    fn inputs(&self, peer: usize, address: &Address, method: &str) -> Inputs {
        if is_standard(&address.interface)
            && let Some(signature) = standard_inputs(method)
        {
            return Inputs::Known(signature.to_owned());
        }
        let interface = self.meta.get(&address.interface).or_else(|| {
            match self.peer(peer)?.nodes.get(&address.path) {
                Some(Node::Known(object)) => object.interfaces.get(&address.interface),
                Some(Node::Asked(_)) | None => None,
            }
        });
        let was_seen = self
            .peer(peer)
            .is_some_and(|peer| matches!(peer.nodes.get(&address.path), Some(Node::Known(_))));
        match interface.map(|interface| interface.methods.get(method)) {
            Some(Some(method)) => Inputs::Known(method.inputs.concat()),
            Some(None) => Inputs::NoSuchMethod,
            None if was_seen => Inputs::NoSuchMethod,
            None => Inputs::Unknown,
        }
    }

    fn send_call(&mut self, peer: usize, call: &Call, signature: &str) {
        let message = match self.call_message(peer, call, signature) {
            Ok(message) => message,
            Err(error) => {
                return self.refuse(peer, call.id.as_ref(), &Failure::invalid(error.to_string()));
            }
        };
        match &call.id {
            Some(id) => {
                let job = Job::Call {
                    peer,
                    id: id.clone(),
                    with_type: call.signature.is_some(),
                    with_flags: call.flags.is_some(),
                };
                self.start(message, job, call.timeout);
            }
            None => self.client.send(&message),
        }
    }

    fn call_message(
        &self,
        peer: usize,
        call: &Call,
        signature: &str,
    ) -> Result<Message, BuildError> {
        let mut flags = Flags::empty();
        // Without `flags` a question is allowed: Cockpit's guide says so, and packages rely on it.
        if call.flags.as_ref().is_none_or(|flags| flags.contains('i')) {
            flags |= Flags::ALLOW_INTERACTIVE_AUTH;
        }
        if call.id.is_none() {
            flags |= Flags::NO_REPLY_EXPECTED;
        }
        let mut message = Message::method_call(call.address.path.as_str(), call.method.as_str())
            .interface(call.address.interface.as_str())
            .with_flags(flags);
        if let Some(name) = self.peer(peer).and_then(|peer| peer.name.as_deref()) {
            message = message.destination(name);
        }
        messages::build(message, signature, &call.arguments)
    }

    /// Tells the page the outcome of its call; `(with_type, with_flags)` is what it asked for beside.
    pub(super) fn call_answered(
        &mut self,
        peer: usize,
        id: &Json,
        (with_type, with_flags): (bool, bool),
        outcome: Result<Message, Failure>,
    ) {
        let message = match outcome {
            Ok(message) => message,
            Err(failure) => return self.refuse(peer, Some(id), &failure),
        };
        let mut json = if message.message_type() == Type::Error {
            let header = message.header();
            let mut json = String::from("{\"error\":[");
            let name = header.error_name().map_or("", |name| name.as_str());
            protocol::dbus_json::push_json_string(name, &mut json);
            json.push(',');
            json
        } else {
            String::from("{\"reply\":[")
        };
        if let Err(error) = messages::push_arguments(&message, &self.bridge.descriptors, &mut json)
        {
            let name = "org.freedesktop.DBus.Error.InconsistentMessage";
            return self.refuse(peer, Some(id), &Failure::new(name, error.to_string()));
        }
        json.push(']');
        messages::push_id(Some(id), &mut json);
        if with_type {
            messages::push_text_member("type", messages::signature(&message), &mut json);
        }
        if with_flags {
            let order = match crate::buses::bus::endian(&message) {
                protocol::dbus_json::Endian::Little => "<",
                protocol::dbus_json::Endian::Big => ">",
            };
            messages::push_text_member("flags", order, &mut json);
        }
        json.push('}');
        if json.len() > super::super::MAX_TEXT {
            let message = format!("a reply of {} bytes is too long for a frame", json.len());
            let failure = Failure::new("org.freedesktop.DBus.Error.LimitsExceeded", message);
            return self.refuse(peer, Some(id), &failure);
        }
        self.tell(peer, json);
    }

    /// Tells the page of a signal that it listens for.
    pub(super) fn page_signal(&mut self, message: &Message) {
        let header = message.header();
        let (Some(path), Some(interface), Some(member)) =
            (header.path(), header.interface(), header.member())
        else {
            return;
        };
        let mut json = String::from("{\"signal\":[");
        for part in [path.as_str(), interface.as_str(), member.as_str()] {
            protocol::dbus_json::push_json_string(part, &mut json);
            json.push(',');
        }
        if messages::push_arguments(message, &self.bridge.descriptors, &mut json).is_err() {
            return;
        }
        json.push(']');
        let peer = self.peer_of_sender(message);
        match peer.and_then(|peer| self.peer(peer)) {
            Some(peer) => peer.push_label(&mut json),
            None => {
                if let Some(sender) = header.sender() {
                    messages::push_text_member("name", sender.as_str(), &mut json);
                }
            }
        }
        json.push('}');
        self.tell(peer.unwrap_or_default(), json);
    }

    /// Sends a signal of the page.
    pub(super) fn emit(&mut self, emission: Emission) -> Result<(), Closed> {
        let Address { path, interface } = &emission.address;
        let known = self
            .meta
            .get(interface)
            .and_then(|interface| interface.signals.get(&emission.member))
            .map(|arguments| arguments.concat());
        let signature = match emission.signature.or(known) {
            Some(signature) => signature,
            None if emission.arguments.is_empty() => String::new(),
            None => {
                let message =
                    format!("neither type nor meta says what signal {} has", emission.member);
                return Err(Closed::protocol_error(message));
            }
        };
        let mut message =
            Message::signal(path.as_str(), interface.as_str(), emission.member.as_str());
        if let Some(destination) = &emission.destination {
            message = message.destination(destination.as_str());
        }
        let message =
            messages::build(message, &signature, &emission.arguments).map_err(|error| {
                Closed::protocol_error(format!("signal {}: {error}", emission.member))
            })?;
        self.client.send(&message);
        Ok(())
    }
}

/// The arguments of the methods that every object has.
fn standard_inputs(method: &str) -> Option<&'static str> {
    match method {
        "Get" => Some("ss"),
        "GetAll" => Some("s"),
        "Set" => Some("ssv"),
        _ => None,
    }
}
