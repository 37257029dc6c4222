//! What the page knows of watched properties, and what it does not know yet.
//!
//! Values are JSON texts, without the variant around them. Only changes are told, each once; an interface is told
//! only when its `meta` can stand before it. Text: docs/protocol.md, "dbus-json3".

use std::collections::{BTreeMap, BTreeSet, HashSet};

use protocol::dbus_json::{Interface, push_json_string};

/// Properties of the objects of one service.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Path, interface, property, value.
    objects: BTreeMap<String, BTreeMap<String, Properties>>,
    /// Path and interface of what changed since it was last told.
    changes: BTreeMap<String, BTreeMap<String, Change>>,
    /// Interfaces whose `meta` was told.
    announced: HashSet<String>,
}

/// The values of an interface by property.
pub(super) type Properties = BTreeMap<String, String>;

#[derive(Debug)]
enum Change {
    /// These properties have other values; none when only the interface is new.
    Changed(BTreeSet<String>),
    Removed,
}

/// What the page is to be told now: the insides of `meta` and of `notify`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) meta: Option<String>,
    pub(super) notify: Option<String>,
}

impl Cache {
    /// Whether the interface of the object is known.
    pub(super) fn contains(&self, path: &str, interface: &str) -> bool {
        self.objects
            .get(path)
            .is_some_and(|interfaces| interfaces.contains_key(interface))
    }

    /// How many objects are known.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether the `meta` of an interface was told.
    pub(super) fn is_announced(&self, interface: &str) -> bool {
        self.announced.contains(interface)
    }

    /// Takes values of properties of an interface, which may be new.
    pub(super) fn update(&mut self, path: &str, interface: &str, values: Properties) {
        let is_new = !self.contains(path, interface);
        let known = self
            .objects
            .entry(path.to_owned())
            .or_default()
            .entry(interface.to_owned())
            .or_default();
        let mut changed = BTreeSet::new();
        for (name, value) in values {
            if known.get(&name) != Some(&value) {
                known.insert(name.clone(), value);
                changed.insert(name);
            }
        }
        if !is_new && changed.is_empty() {
            return;
        }
        let change = self
            .changes
            .entry(path.to_owned())
            .or_default()
            .entry(interface.to_owned())
            .or_insert_with(|| Change::Changed(BTreeSet::new()));
        match change {
            Change::Changed(names) => names.append(&mut changed),
            Change::Removed => *change = Change::Changed(changed),
        }
    }

    /// Takes that an object has an interface no longer.
    pub(super) fn remove(&mut self, path: &str, interface: &str) {
        let Some(interfaces) = self.objects.get_mut(path) else {
            return;
        };
        if interfaces.remove(interface).is_none() {
            return;
        }
        if interfaces.is_empty() {
            self.objects.remove(path);
        }
        self.changes
            .entry(path.to_owned())
            .or_default()
            .insert(interface.to_owned(), Change::Removed);
    }

    /// Takes that all objects are gone, and with them what their interfaces were.
    pub(super) fn clear(&mut self) {
        self.changes.clear();
        for (path, interfaces) in std::mem::take(&mut self.objects) {
            let removed = interfaces
                .into_keys()
                .map(|name| (name, Change::Removed))
                .collect();
            self.changes.insert(path, removed);
        }
        self.announced.clear();
    }

    /// Drops, without telling, what `is_watched` (path, interface) no longer says to keep.
    pub(super) fn retain(&mut self, is_watched: impl Fn(&str, &str) -> bool) {
        for (path, interfaces) in &mut self.objects {
            interfaces.retain(|interface, _| is_watched(path, interface));
        }
        self.objects.retain(|_, interfaces| !interfaces.is_empty());
        for (path, interfaces) in &mut self.changes {
            interfaces.retain(|interface, _| is_watched(path, interface));
        }
        self.changes.retain(|_, interfaces| !interfaces.is_empty());
    }

    /// Takes out what can be told: removals, and changes of interfaces that `definition` knows.
    pub(super) fn take_news<'a>(
        &mut self,
        definition: impl Fn(&str) -> Option<&'a Interface>,
    ) -> News {
        let mut news = News::default();
        for (path, interfaces) in &mut self.changes {
            let mut told = String::new();
            interfaces.retain(|interface, change| {
                if let Change::Changed(_) = change
                    && !self.announced.contains(interface)
                {
                    let Some(definition) = definition(interface) else {
                        return true;
                    };
                    push_member(interface, news.meta.get_or_insert_default());
                    definition.push_meta(news.meta.get_or_insert_default());
                    self.announced.insert(interface.clone());
                }
                push_member(interface, &mut told);
                let known = self
                    .objects
                    .get(path)
                    .and_then(|known| known.get(interface));
                push_change(change, known, &mut told);
                false
            });
            if !told.is_empty() {
                let notify = news.notify.get_or_insert_default();
                push_member(path, notify);
                notify.push('{');
                notify.push_str(&told);
                notify.push('}');
            }
        }
        self.changes.retain(|_, interfaces| !interfaces.is_empty());
        news
    }
}

/// Writes the name of the next member of an object.
fn push_member(name: &str, json: &mut String) {
    if !json.is_empty() {
        json.push(',');
    }
    push_json_string(name, json);
    json.push(':');
}

fn push_change(change: &Change, known: Option<&Properties>, json: &mut String) {
    let (Change::Changed(names), Some(known)) = (change, known) else {
        json.push_str("null");
        return;
    };
    let mut values = String::new();
    for name in names {
        if let Some(value) = known.get(name) {
            push_member(name, &mut values);
            values.push_str(value);
        }
    }
    json.push('{');
    json.push_str(&values);
    json.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Properties {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn notify(cache: &mut Cache, interface: &Interface) -> Option<String> {
        cache.take_news(|_| Some(interface)).notify
    }

    #[test]
    fn only_changes_are_told_and_each_once() {
        let interface = Interface::default();
        let mut cache = Cache::default();
        cache.update("/a", "i.i", values(&[("A", "1"), ("B", "2")]));
        assert_eq!(notify(&mut cache, &interface).unwrap(), r#""/a":{"i.i":{"A":1,"B":2}}"#);
        assert_eq!(notify(&mut cache, &interface), None);

        cache.update("/a", "i.i", values(&[("A", "1"), ("B", "3")]));
        assert_eq!(notify(&mut cache, &interface).unwrap(), r#""/a":{"i.i":{"B":3}}"#);

        cache.update("/a", "i.i", values(&[("A", "1")]));
        assert_eq!(notify(&mut cache, &interface), None);

        cache.remove("/a", "i.i");
        assert_eq!(notify(&mut cache, &interface).unwrap(), r#""/a":{"i.i":null}"#);
    }

    #[test]
    fn an_interface_waits_for_its_meta_and_its_latest_values_are_told() {
        let interface = Interface::default();
        let mut cache = Cache::default();
        cache.update("/a", "i.i", values(&[("A", "1")]));
        assert_eq!(cache.take_news(|_| None), News::default());

        cache.update("/a", "i.i", values(&[("A", "2")]));
        let news = cache.take_news(|_| Some(&interface));
        assert_eq!(news.meta.unwrap(), r#""i.i":{"methods":{},"properties":{},"signals":{}}"#);
        assert_eq!(news.notify.unwrap(), r#""/a":{"i.i":{"A":2}}"#);
    }

    #[test]
    fn what_is_not_watched_is_forgotten_without_a_word() {
        let interface = Interface::default();
        let mut cache = Cache::default();
        cache.update("/a", "i.i", Properties::new());
        cache.update("/b", "i.i", Properties::new());
        cache.retain(|path, _| path == "/b");
        assert_eq!(notify(&mut cache, &interface).unwrap(), r#""/b":{"i.i":{}}"#);
        assert_eq!(cache.len(), 1);
    }
}
