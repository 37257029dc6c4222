//! Objects that the page publishes on the bus: calls go to the page, introspection and properties are answered here.

use protocol::dbus_json::Interface;
use protocol::json::Fields;
use serde_json::{Value as Json, json};
use zbus::Message;
use zbus::message::Flags;

use crate::channel::Closed;

use super::super::messages;
use super::super::peer::{INTROSPECTABLE, PROPERTIES};
use super::super::requests::Address;
use super::{Conversation, Failure};

impl Conversation {
    /// Publishes an interface of an object; `id` is answered.
    pub(super) fn publish(&mut self, address: Address, id: Option<&Json>) {
        let text = if !self.meta.contains_key(&address.interface) {
            let message = format!("the page did not describe {}", address.interface);
            id.map(|id| messages::error_text(id, messages::INVALID_ARGS, &message))
        } else if self.client.publish(&address.path, &address.interface) {
            self.published.add(address);
            id.map(|id| json!({ "reply": [[]], "id": id }).to_string())
        } else {
            let message = format!("{} is published at {} already", address.interface, address.path);
            let name = "org.freedesktop.DBus.Error.ObjectPathInUse";
            id.map(|id| messages::error_text(id, name, &message))
        };
        self.output.extend(text);
    }

    /// Publishes it no longer.
    pub(super) fn unpublish(&mut self, address: &Address) {
        self.client.unpublish(&address.path, &address.interface);
        self.published.remove(address);
    }

    /// Takes values of properties of published interfaces, and tells the bus.
    pub(super) fn notify(&mut self, changes: &Fields) -> Result<(), Closed> {
        for (path, interfaces) in changes {
            for (interface, values) in interfaces.as_object().into_iter().flatten() {
                let address = Address { path: path.clone(), interface: interface.clone() };
                let Some(values) = values.as_object() else {
                    continue;
                };
                if self.published.set(&address, values) {
                    self.emit_changes(&address, values)?;
                }
            }
        }
        Ok(())
    }

    fn emit_changes(&mut self, address: &Address, values: &Fields) -> Result<(), Closed> {
        let wrong =
            |error: String| Closed::protocol_error(format!("notify of {}: {error}", address.path));
        let definition = self.definition(&address.interface);
        let changed: Fields = self
            .published
            .properties(address, &definition, None)
            .map_err(|error| wrong(error.to_string()))?
            .into_iter()
            .filter(|(name, _)| values.contains_key(name))
            .collect();
        let message = Message::signal(address.path.as_str(), PROPERTIES, "PropertiesChanged");
        let arguments = [json!(address.interface), Json::Object(changed), json!([])];
        let message = messages::build(message, "sa{sv}as", &arguments)
            .map_err(|error| wrong(error.to_string()))?;
        self.client.send(&message);
        Ok(())
    }

    /// Takes a call of a published object.
    pub(super) fn called(&mut self, message: Message) {
        let header = message.header();
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let path = text(header.path().map(zbus::ObjectPath::as_str));
        let method = text(header.member().map(zbus::names::MemberName::as_str));
        let interface = match header.interface() {
            Some(interface) => interface.to_string(),
            // Who does not say the interface means the first that has the method.
            None => self
                .published
                .at(&path)
                .find(|name| self.definition(name).methods.contains_key(&method))
                .unwrap_or_default()
                .to_owned(),
        };
        let answer = match (interface.as_str(), method.as_str()) {
            (INTROSPECTABLE, "Introspect") => Ok(("s", vec![self.introspection(&path).into()])),
            (PROPERTIES, "Get" | "GetAll" | "Set") => self.property(&path, &method, &message),
            _ => return self.pass_on(message, &Address { path, interface }, &method),
        };
        self.answer(&message, answer);
    }

    /// Tells the page of a call, which it answers later.
    fn pass_on(&mut self, message: Message, address: &Address, method: &str) {
        if !self
            .published
            .at(&address.path)
            .any(|name| name == address.interface)
            || !self
                .definition(&address.interface)
                .methods
                .contains_key(method)
        {
            let text = format!("{} has no method {method} in {}", address.path, address.interface);
            let failure = Failure::new("org.freedesktop.DBus.Error.UnknownMethod", text);
            return self.answer(&message, Err(failure));
        }
        let mut arguments = String::new();
        if let Err(error) =
            messages::push_arguments(&message, &self.bridge.descriptors, &mut arguments)
        {
            return self.answer(&message, Err(Failure::invalid(error.to_string())));
        }
        let wants_answer = !message
            .primary_header()
            .flags()
            .contains(Flags::NO_REPLY_EXPECTED);
        let id = if wants_answer {
            match self.published.wait(message) {
                Ok(id) => Some(Json::from(id)),
                Err(message) => {
                    let name = "org.freedesktop.DBus.Error.LimitsExceeded";
                    let failure = Failure::new(name, "too many calls wait for an answer");
                    return self.answer(&message, Err(failure));
                }
            }
        } else {
            None
        };
        let (path, interface, method) =
            (json!(address.path), json!(address.interface), json!(method));
        let mut json = format!("{{\"call\":[{path},{interface},{method},{arguments}]");
        messages::push_id(id.as_ref(), &mut json);
        json.push('}');
        self.output.push(json);
    }

    /// Sends the page's reply to a call.
    pub(super) fn answer_call(&mut self, id: &Json, arguments: &[Json], signature: Option<&str>) {
        let Some(call) = self.published.answered(id) else {
            return;
        };
        let header = call.header();
        let signature = match signature {
            Some(signature) => signature.to_owned(),
            None => header
                .interface()
                .zip(header.member())
                .and_then(|(interface, method)| {
                    let definition = self.meta.get(interface.as_str())?;
                    Some(definition.methods.get(method.as_str())?.outputs.concat())
                })
                .unwrap_or_default(),
        };
        match messages::build(Message::method_return(&header), &signature, arguments) {
            Ok(reply) => self.client.send(&reply),
            Err(error) => {
                let name = "org.freedesktop.DBus.Error.Failed";
                let failure = Failure::new(name, format!("the page's reply is wrong: {error}"));
                self.answer(&call, Err(failure));
            }
        }
    }

    /// Sends the page's error in answer to a call.
    pub(super) fn refuse_call(&mut self, id: &Json, name: &str, arguments: &[Json]) {
        if let Some(call) = self.published.answered(id) {
            let message = arguments.first().and_then(Json::as_str).unwrap_or_default();
            self.answer(&call, Err(Failure::new(name, message)));
        }
    }

    fn answer(&mut self, call: &Message, answer: Result<(&str, Vec<Json>), Failure>) {
        let header = call.header();
        if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return;
        }
        let failure = match answer {
            Ok((signature, arguments)) => {
                match messages::build(Message::method_return(&header), signature, &arguments) {
                    Ok(reply) => return self.client.send(&reply),
                    Err(error) => Failure::invalid(error.to_string()),
                }
            }
            Err(failure) => failure,
        };
        let error =
            |name: &str| Message::error(&header, name.to_owned()).build(&failure.message.as_str());
        // A name of the page's that is none must not leave the caller waiting.
        if let Ok(error) =
            error(&failure.name).or_else(|_| error("org.freedesktop.DBus.Error.Failed"))
        {
            self.client.send(&error);
        }
    }

    fn property(
        &self,
        path: &str,
        method: &str,
        message: &Message,
    ) -> Result<(&'static str, Vec<Json>), Failure> {
        let body = message.body();
        let mut reader = crate::buses::bus::reader(message, body.data().bytes());
        let is_well_typed = messages::signature(message).starts_with('s');
        let interface = reader
            .string()
            .ok()
            .filter(|_| is_well_typed)
            .ok_or_else(|| Failure::invalid("the interface is missing"))?
            .to_owned();
        let address = Address { path: path.to_owned(), interface };
        let definition = self.definition(&address.interface);
        let name = match method {
            "GetAll" => None,
            "Get" => Some(
                reader
                    .string()
                    .map_err(|error| Failure::invalid(error.to_string()))?,
            ),
            _ => {
                let name = "org.freedesktop.DBus.Error.PropertyReadOnly";
                return Err(Failure::new(name, "properties of a page cannot be set"));
            }
        };
        let values = self
            .published
            .properties(&address, &definition, name)
            .map_err(|error| Failure::invalid(error.to_string()))?;
        match name {
            None => Ok(("a{sv}", vec![Json::Object(values.into_iter().collect())])),
            Some(name) => match values.into_iter().next() {
                Some((_, value)) => Ok(("v", vec![value])),
                None => Err(Failure::new(
                    "org.freedesktop.DBus.Error.UnknownProperty",
                    format!("{} has no property {name}", address.interface),
                )),
            },
        }
    }

    fn introspection(&self, path: &str) -> String {
        let mut xml = String::from("<node>");
        for name in self.published.at(path) {
            self.definition(name).push_xml(name, &mut xml);
        }
        xml.push_str("</node>");
        xml
    }

    /// How the page described an interface; empty when it did not.
    fn definition(&self, interface: &str) -> Interface {
        self.meta.get(interface).cloned().unwrap_or_default()
    }
}

impl Drop for Conversation {
    /// Who waits for the page waits in vain: tell them.
    fn drop(&mut self) {
        let unanswered: Vec<Message> = self.published.unanswered().collect();
        for call in unanswered {
            let name = "org.freedesktop.DBus.Error.NoReply";
            self.answer(
                &call,
                Err(Failure::new(name, "the page that published the object is gone")),
            );
        }
    }
}
