//! The rules by which the bus sends us signals: each is given to it once, whoever needs it; and whom a signal is for.

use super::table::{Pending, Table};
use super::{Bus, Client, Flavour};
use crate::buses::matching::{Audience, Match, SignalHead};

impl Bus {
    pub(super) fn add_rule(&self, table: &mut Table, rule: &str, client: u64) {
        if self.flavour == Flavour::Peer {
            return;
        }
        let count = table.rules.entry(rule.to_owned()).or_default();
        *count += 1;
        if *count == 1 {
            self.ask(table, "AddMatch", &rule, Some(Pending::Rule { client }));
        }
    }

    pub(super) fn remove_rule(&self, table: &mut Table, rule: &str) {
        let Some(count) = table.rules.get_mut(rule) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            table.rules.remove(rule);
            self.ask(table, "RemoveMatch", &rule, None);
        }
    }
}

impl Table {
    /// The clients that want a signal, and which of their audiences.
    pub(super) fn audience(
        &self,
        head: &SignalHead<'_>,
        sender: Option<&str>,
    ) -> Vec<(u64, bool, bool)> {
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
}

impl Client {
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
}
