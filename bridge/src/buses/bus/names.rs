//! Who owns the names that channels talk to: asked once, followed from then on, and remembered for a while.

use std::sync::Arc;

use zbus::Message;
use zbus::message::Type;

use super::table::{Pending, Table};
use super::{Activation, Bus, Client, DAEMON, Event, reader};

/// Names without users that are remembered with their owner, so that opening a channel to them asks nothing.
const IDLE_NAMES: usize = 64;

#[derive(Debug)]
pub(super) struct Name {
    pub(super) owner: Ownership,
    pub(super) users: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Asked for; `Activation` says what is done when there is none.
    Asked(Activation),
    Known(Option<Arc<str>>),
}

impl Bus {
    pub(super) fn owner_answer(&self, table: &mut Table, name: &Arc<str>, message: &Message) {
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

    pub(super) fn forget_name_user(&self, table: &mut Table, name: &str) {
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
}

impl Table {
    /// Takes the answer to `StartServiceByName`. The owner was announced before it; without one there was nothing to start.
    pub(super) fn not_started(&mut self, name: &str) {
        if let Some(Name { owner: Ownership::Asked(_), .. }) = self.names.get(name) {
            self.owner(name, None);
        }
    }

    /// Takes the owner of a name and tells those who track it, when it is another than before.
    pub(super) fn owner(&mut self, name: &str, owner: Option<&Arc<str>>) {
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

    /// Whether the sender of a signal owns `name`. A single peer has no name and sends everything.
    pub(super) fn is_from(&self, name: Option<&str>, sender: Option<&str>) -> bool {
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

impl Client {
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
}

/// The rule that tells of the owner of `name`.
fn owner_rule(name: &str) -> String {
    format!(
        "type='signal',sender='{DAEMON}',interface='{DAEMON}',member='NameOwnerChanged',arg0='{name}'"
    )
}
