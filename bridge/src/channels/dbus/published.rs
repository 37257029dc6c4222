//! Objects that the page publishes: who calls them, and the properties that it gave them.

use std::collections::{BTreeMap, HashMap};

use protocol::dbus_json::{EncodeError, Interface, Value, body_from_json};
use serde_json::Value as Json;
use zbus::Message;

use super::requests::Address;

/// Calls of published objects that may wait for the page's answer.
const MAX_WAITING: usize = 1_024;

/// What one channel publishes.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Values of properties, in JSON, of each published interface.
    interfaces: HashMap<Address, BTreeMap<String, Json>>,
    last: u64,
    waiting: HashMap<String, Message>,
}

impl Published {
    pub(super) fn add(&mut self, address: Address) {
        self.interfaces.entry(address).or_default();
    }

    pub(super) fn remove(&mut self, address: &Address) {
        self.interfaces.remove(address);
    }

    /// The published interfaces of the object at `path`.
    pub(super) fn at<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        self.interfaces
            .keys()
            .filter(move |address| address.path == path)
            .map(|address| address.interface.as_str())
    }

    /// Takes values of properties; false when the interface is not published.
    pub(super) fn set(
        &mut self,
        address: &Address,
        values: &serde_json::Map<String, Json>,
    ) -> bool {
        let Some(known) = self.interfaces.get_mut(address) else {
            return false;
        };
        known.extend(
            values
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        true
    }

    /// The values of an interface's properties as an argument of type `a{sv}`, or only that of `property`.
    pub(super) fn properties(
        &self,
        address: &Address,
        definition: &Interface,
        property: Option<&str>,
    ) -> Result<Vec<(String, Json)>, EncodeError> {
        let Some(known) = self.interfaces.get(address) else {
            return Ok(Vec::new());
        };
        known
            .iter()
            .filter(|(name, _)| property.is_none_or(|property| property == *name))
            .filter_map(|(name, value)| {
                let signature = &definition.properties.get(name)?.signature;
                Some((name, signature, value))
            })
            .map(|(name, signature, value)| {
                let _checked: Vec<Value> = body_from_json(signature, std::slice::from_ref(value))?;
                Ok((name.clone(), serde_json::json!({ "t": signature, "v": value })))
            })
            .collect()
    }

    /// Remembers a call until the page answers it; the id that it is told under, or the call when too many wait.
    pub(super) fn wait(&mut self, call: Message) -> Result<String, Message> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(call);
        }
        self.last += 1;
        let id = format!("call-{}", self.last);
        self.waiting.insert(id.clone(), call);
        Ok(id)
    }

    /// The call that the page answers.
    pub(super) fn answered(&mut self, id: &Json) -> Option<Message> {
        self.waiting.remove(id.as_str()?)
    }

    /// All calls that were not answered.
    pub(super) fn unanswered(&mut self) -> impl Iterator<Item = Message> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
