//! One service that a channel talks to: its name and owner, what is known of its objects, and what waits to be told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use protocol::dbus_json::{Interface, Introspection};
use serde_json::Value as Json;

use crate::buses::matching::PathMatch;

use super::cache::Cache;
use super::messages;
use super::requests::{Call, Selection};

/// A service.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Its name; none for a single program, and where the page names one in each message.
    pub(super) name: Option<Arc<str>>,
    /// The `name` of messages about it; none for the service that the channel was opened for.
    pub(super) label: Option<Arc<str>>,
    pub(super) owner: Owner,
    pub(super) queue: Queue,
    pub(super) cache: Cache,
    pub(super) watches: Vec<Watch>,
    /// What was learnt by introspection, by path.
    pub(super) nodes: HashMap<String, Node>,
    /// Interfaces that were seen at any object, by name.
    pub(super) interfaces: BTreeMap<String, Arc<Interface>>,
    /// Interfaces whose definition was asked for, and the batches that wait for it.
    pub(super) asked: HashMap<String, Vec<u64>>,
}

/// Who owns the name of a peer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    #[default]
    Unknown,
    Known(Option<Arc<str>>),
}

/// Introspection of an object.
#[derive(Debug)]
pub(super) enum Node {
    /// Under way; those who wait for it.
    Asked(Vec<Waiter>),
    Known(Arc<Introspection>),
}

/// Who waits for introspection.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A call whose argument types are not known.
    Call(Call),
    /// Those who need the definition of this interface: see `Peer::asked`.
    Definition(String),
    /// A batch that looks at an object, for a watch.
    Look(u64, Scope),
}

/// What a watch is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) path: PathMatch,
    pub(super) interface: Option<String>,
}

/// A watch, and how often the page asked for it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) scope: Scope,
    pub(super) count: usize,
}

impl Scope {
    /// The scope that the page names. Without a path it is everything.
    pub(super) fn of(selection: &Selection) -> Self {
        let path = match &selection.path {
            PathMatch::Any => PathMatch::Below("/".to_owned()),
            PathMatch::Exactly(_) | PathMatch::Below(_) => selection.path.clone(),
        };
        Self { path, interface: selection.interface.clone() }
    }

    /// Whether an interface of an object is in it. The standard interfaces are when they are asked for.
    pub(super) fn covers(&self, path: &str, interface: &str) -> bool {
        let is_wanted = match &self.interface {
            Some(wanted) => wanted == interface,
            None => !is_standard(interface),
        };
        is_wanted && self.path.covers(path)
    }

    /// The object at which looking begins.
    pub(super) fn root(&self) -> &str {
        match &self.path {
            PathMatch::Exactly(path) | PathMatch::Below(path) => path,
            PathMatch::Any => "/",
        }
    }
}

/// Interfaces that objects have for the sake of others.
pub(super) fn is_standard(interface: &str) -> bool {
    matches!(interface, PROPERTIES | OBJECT_MANAGER | INTROSPECTABLE | "org.freedesktop.DBus.Peer")
}

/// `org.freedesktop.DBus.Properties`.
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// `org.freedesktop.DBus.ObjectManager`.
pub(super) const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// `org.freedesktop.DBus.Introspectable`.
pub(super) const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";

impl Peer {
    /// A peer by name, as messages say it when it is not the channel's own.
    pub(super) fn other(name: Arc<str>) -> Self {
        Self { label: Some(Arc::clone(&name)), name: Some(name), ..Self::default() }
    }

    /// Whether a property or interface is watched.
    pub(super) fn is_watched(&self, path: &str, interface: &str) -> bool {
        self.watches
            .iter()
            .any(|watch| watch.scope.covers(path, interface))
    }

    /// Tells what can be told of the cache, its `meta` first.
    pub(super) fn tell_news(
        &mut self,
        own: &BTreeMap<String, Interface>,
        output: &mut Vec<String>,
    ) {
        let interfaces = &self.interfaces;
        let news = self.cache.take_news(|name| {
            own.get(name)
                .or_else(|| interfaces.get(name).map(Arc::as_ref))
        });
        for (kind, inside) in [("meta", news.meta), ("notify", news.notify)] {
            if let Some(inside) = inside {
                let mut json = format!("{{\"{kind}\":{{{inside}}}");
                self.push_label(&mut json);
                json.push('}');
                output.push(json);
            }
        }
    }

    /// Writes the member `name` if messages about this peer have one.
    pub(super) fn push_label(&self, json: &mut String) {
        if let Some(label) = &self.label {
            messages::push_text_member("name", label, json);
        }
    }
}

/// What waits until all that happened before it was told.
///
/// A batch is work that ends in news for the page. A reply or signal that comes while batches are open waits for
/// those, and for no later ones.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last: u64,
    /// Open batches, and how many answers each waits for.
    open: BTreeMap<u64, usize>,
    held: VecDeque<(u64, String)>,
}

impl Queue {
    /// Opens a batch that waits for one answer; `reply` is told when it and all before it are done.
    pub(super) fn begin(&mut self, reply: Option<&Json>) -> u64 {
        self.last += 1;
        self.open.insert(self.last, 1);
        if let Some(id) = reply {
            let mut json = String::from("{\"reply\":[[]]");
            messages::push_id(Some(id), &mut json);
            json.push('}');
            self.held.push_back((self.last, json));
        }
        self.last
    }

    /// The batch waits for one answer more.
    pub(super) fn wait(&mut self, batch: u64) {
        if let Some(waiting) = self.open.get_mut(&batch) {
            *waiting += 1;
        }
    }

    /// The batch got an answer. Call [`Queue::release`] once the news are told.
    pub(super) fn answered(&mut self, batch: u64) {
        if let Some(waiting) = self.open.get_mut(&batch) {
            *waiting -= 1;
            if *waiting == 0 {
                self.open.remove(&batch);
            }
        }
    }

    /// All batches are over: their answers will not come.
    pub(super) fn abandon(&mut self) {
        self.open.clear();
    }

    /// Tells `text` when all that happened before it was told.
    pub(super) fn push(&mut self, text: String, output: &mut Vec<String>) {
        match self.open.last_key_value() {
            Some((last, _)) => self.held.push_back((*last, text)),
            None => output.push(text),
        }
    }

    /// Tells what waited for batches that are over.
    pub(super) fn release(&mut self, output: &mut Vec<String>) {
        let first_open = self.open.first_key_value().map(|(first, _)| *first);
        while let Some((barrier, _)) = self.held.front() {
            if first_open.is_some_and(|open| open <= *barrier) {
                return;
            }
            if let Some((_, text)) = self.held.pop_front() {
                output.push(text);
            }
        }
    }

    /// How many texts wait.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

#[test]
fn a_reply_waits_for_the_batches_before_it_and_not_for_later_ones() {
    let mut queue = Queue::default();
    let mut told = Vec::new();
    queue.push("0".to_owned(), &mut told);
    let first = queue.begin(Some(&Json::from("a")));
    queue.push("1".to_owned(), &mut told);
    let second = queue.begin(None);
    queue.push("2".to_owned(), &mut told);
    queue.wait(first);
    assert_eq!(told, ["0"]);

    queue.answered(second);
    queue.release(&mut told);
    queue.answered(first);
    queue.release(&mut told);
    assert_eq!(told, ["0"]);

    queue.answered(first);
    queue.release(&mut told);
    assert_eq!(told, ["0", r#"{"reply":[[]],"id":"a"}"#, "1", "2"]);
}
