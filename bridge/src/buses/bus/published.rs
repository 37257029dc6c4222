//! Objects that channels publish: calls of them go to their channel, all others are refused.

use zbus::Message;
use zbus::message::Flags;
use zbus::names::InterfaceName;

use super::{Bus, Client, Event};

impl Bus {
    pub(super) fn call(&self, message: Message) {
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
            self.outgoing.put(&answer);
        }
    }
}

impl Client {
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
