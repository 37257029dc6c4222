//! Watches: looking at objects, keeping their properties, and telling what changes.
//!
//! A watch first looks at its object by introspection. Below a namespace an object manager lists the rest; without one
//! each child is looked at in turn. From then on signals keep the cache.

use std::sync::Arc;

use protocol::dbus_json::{DecodeError, Introspection, Reader, is_object_path};
use serde_json::Value as Json;
use zbus::Message;

use crate::buses::bus;
use crate::buses::matching::{Audience, Match, PathMatch};
use crate::channel::Closed;

use super::super::cache::Properties;
use super::super::messages;
use super::super::peer::{
    INTROSPECTABLE, Node, OBJECT_MANAGER, Owner, PROPERTIES, Peer, Scope, Waiter, Watch,
};
use super::super::requests::Selection;
use super::{Conversation, Failure, Job, OWN_CALL_TIMEOUT, failure_of};

/// Most objects of one service in the cache of a channel, and most that are looked at.
const MAX_OBJECTS: usize = 50_000;

impl Conversation {
    /// Watches properties; `id` is answered when the page was told all that is there.
    pub(super) fn watch(&mut self, selection: &Selection, id: Option<&Json>) -> Result<(), Closed> {
        let peer = self.watched_peer(selection)?;
        let scope = Scope::of(selection);
        let Some(state) = self.peer_mut(peer) else {
            return Ok(());
        };
        if let Some(watch) = state.watches.iter_mut().find(|watch| watch.scope == scope) {
            watch.count += 1;
        } else {
            state.watches.push(Watch { scope: scope.clone(), count: 1 });
            let name = state.name.clone();
            for wish in cache_matches(name.as_ref(), &scope) {
                self.client.listen(wish);
            }
        }
        self.look_at(peer, scope, id);
        Ok(())
    }

    /// Watches them no longer.
    pub(super) fn unwatch(&mut self, selection: &Selection) -> Result<(), Closed> {
        let peer = self.watched_peer(selection)?;
        let scope = Scope::of(selection);
        let Some(state) = self.peer_mut(peer) else {
            return Ok(());
        };
        let Some(at) = state.watches.iter().position(|watch| watch.scope == scope) else {
            return Ok(());
        };
        if let Some(watch) = state.watches.get_mut(at) {
            watch.count -= 1;
            if watch.count > 0 {
                return Ok(());
            }
        }
        state.watches.swap_remove(at);
        let watches = &state.watches;
        state.cache.retain(|path, interface| {
            watches
                .iter()
                .any(|watch| watch.scope.covers(path, interface))
        });
        let name = state.name.clone();
        for wish in cache_matches(name.as_ref(), &scope) {
            self.client.ignore(&wish);
        }
        Ok(())
    }

    fn watched_peer(&mut self, selection: &Selection) -> Result<usize, Closed> {
        self.peer_named(selection.name.as_ref())
            .map_err(|failure| Closed::protocol_error(failure.message))
    }

    fn look_at(&mut self, peer: usize, scope: Scope, id: Option<&Json>) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let batch = state.queue.begin(id);
        let root = scope.root().to_owned();
        if let PathMatch::Below(_) = scope.path {
            // Children come and go without a signal: what was seen before does not say who is there now.
            if let Some(Node::Known(_)) = state.nodes.get(&root) {
                state.nodes.remove(&root);
            }
        }
        self.introspect(peer, &root, Waiter::Look(batch, scope));
    }

    /// Lets `waiter` go on with what is known of the object, after asking for it if need be.
    pub(super) fn introspect(&mut self, peer: usize, path: &str, waiter: Waiter) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        match state.nodes.get_mut(path) {
            Some(Node::Asked(waiting)) => return waiting.push(waiter),
            Some(Node::Known(object)) => {
                let object = Arc::clone(object);
                return self.go_on(peer, path, waiter, Ok(&object));
            }
            None => {}
        }
        if state.nodes.len() >= MAX_OBJECTS {
            let failure =
                Failure::new("org.freedesktop.DBus.Error.LimitsExceeded", "too many objects");
            return self.go_on(peer, path, waiter, Err(&failure));
        }
        match own_call(state, path, INTROSPECTABLE, "Introspect", "", &[]) {
            Ok(message) => {
                state
                    .nodes
                    .insert(path.to_owned(), Node::Asked(vec![waiter]));
                let job = Job::Introspection { peer, path: path.to_owned() };
                self.start(message, job, Some(OWN_CALL_TIMEOUT));
            }
            Err(failure) => self.go_on(peer, path, waiter, Err(&failure)),
        }
    }

    /// Takes the answer to an introspection.
    pub(super) fn introspected(
        &mut self,
        peer: usize,
        path: &str,
        outcome: &Result<Message, Failure>,
    ) {
        let object = read_introspection(outcome);
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let Some(Node::Asked(waiting)) = state.nodes.remove(path) else {
            return;
        };
        if let Ok(object) = &object {
            for (name, interface) in &object.interfaces {
                if !state.interfaces.contains_key(name) {
                    state
                        .interfaces
                        .insert(name.clone(), Arc::new(interface.clone()));
                }
            }
            state
                .nodes
                .insert(path.to_owned(), Node::Known(Arc::clone(object)));
        }
        for waiter in waiting {
            if let Waiter::Call(_) = waiter {
                self.calls_waiting -= 1;
            }
            self.go_on(peer, path, waiter, object.as_ref());
        }
    }

    fn go_on(
        &mut self,
        peer: usize,
        path: &str,
        waiter: Waiter,
        object: Result<&Arc<Introspection>, &Failure>,
    ) {
        match (waiter, object) {
            (Waiter::Call(call), Ok(_)) => self.call(call),
            (Waiter::Call(call), Err(failure)) => self.refuse(peer, call.id.as_ref(), failure),
            (Waiter::Definition(interface), _) => {
                let Some(state) = self.peer_mut(peer) else {
                    return;
                };
                for batch in state.asked.remove(&interface).unwrap_or_default() {
                    state.queue.answered(batch);
                }
                // An interface that nobody describes still has values to tell.
                state.interfaces.entry(interface).or_default();
                self.tell_news(peer);
            }
            (Waiter::Look(batch, scope), Ok(object)) => {
                let object = Arc::clone(object);
                self.looked(peer, batch, path, &scope, &object);
            }
            (Waiter::Look(batch, scope), Err(_)) => {
                // An object manager need not describe itself.
                if let PathMatch::Below(_) = scope.path
                    && scope.root() == path
                {
                    self.read_objects(peer, batch, path, &scope);
                }
                self.batch_answered(peer, batch);
            }
        }
    }

    /// Goes on with a watch when an object was introspected.
    fn looked(
        &mut self,
        peer: usize,
        batch: u64,
        path: &str,
        scope: &Scope,
        object: &Introspection,
    ) {
        for (name, interface) in &object.interfaces {
            if !scope.covers(path, name) {
                continue;
            }
            if interface.properties.is_empty() {
                self.update(peer, Some(batch), (path, name), Properties::new());
            } else {
                self.read_properties(peer, batch, path, name);
            }
        }
        if let PathMatch::Below(_) = scope.path {
            if object.interfaces.contains_key(OBJECT_MANAGER) {
                self.read_objects(peer, batch, path, scope);
            } else {
                for child in &object.children {
                    let child = format!("{}/{child}", path.trim_end_matches('/'));
                    if !is_object_path(&child) {
                        continue;
                    }
                    if let Some(state) = self.peer_mut(peer) {
                        state.queue.wait(batch);
                        if let Some(Node::Known(_)) = state.nodes.get(&child) {
                            state.nodes.remove(&child);
                        }
                    }
                    self.introspect(peer, &child, Waiter::Look(batch, scope.clone()));
                }
            }
        }
        self.batch_answered(peer, batch);
    }

    fn read_properties(&mut self, peer: usize, batch: u64, path: &str, interface: &str) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let arguments = [Json::from(interface)];
        if let Ok(message) = own_call(state, path, PROPERTIES, "GetAll", "s", &arguments) {
            state.queue.wait(batch);
            let job = Job::Properties {
                peer,
                batch,
                path: path.to_owned(),
                interface: interface.to_owned(),
            };
            self.start(message, job, Some(OWN_CALL_TIMEOUT));
        }
    }

    fn read_objects(&mut self, peer: usize, batch: u64, path: &str, scope: &Scope) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        if let Ok(message) = own_call(state, path, OBJECT_MANAGER, "GetManagedObjects", "", &[]) {
            state.queue.wait(batch);
            let job = Job::ManagedObjects { peer, batch, scope: scope.clone() };
            self.start(message, job, Some(OWN_CALL_TIMEOUT));
        }
    }

    /// Takes the answer to `GetAll`. An interface whose properties cannot be read is told without any, but not one that
    /// went away in the meantime.
    pub(super) fn properties_read(
        &mut self,
        peer: usize,
        batch: u64,
        (path, interface): (&str, &str),
        reply: Option<&Message>,
    ) {
        let values = reply
            .filter(|reply| messages::signature(reply) == "a{sv}")
            .and_then(|reply| {
                let body = reply.body();
                properties(&mut bus::reader(reply, body.data().bytes())).ok()
            });
        let is_gone = reply.and_then(failure_of).is_some_and(|failure| {
            ["UnknownObject", "UnknownInterface", "UnknownMethod"]
                .iter()
                .any(|unknown| failure.name.ends_with(unknown))
        });
        let is_watched = self
            .peer(peer)
            .is_some_and(|peer| peer.is_watched(path, interface));
        if is_watched && !is_gone {
            self.update(peer, Some(batch), (path, interface), values.unwrap_or_default());
        }
        self.batch_answered(peer, batch);
    }

    /// Takes the answer to `GetManagedObjects`.
    pub(super) fn objects_read(
        &mut self,
        peer: usize,
        batch: u64,
        scope: &Scope,
        reply: Option<&Message>,
    ) {
        let mut found = Vec::new();
        if let Some(reply) = reply.filter(|reply| messages::signature(reply) == "a{oa{sa{sv}}}") {
            let body = reply.body();
            let mut reader = bus::reader(reply, body.data().bytes());
            // A reply that breaks off counts as far as it goes.
            let _broken_off = reader.array(b'{', |reader| {
                let path = reader.string()?;
                let interfaces = interfaces(reader)?;
                found.extend(
                    interfaces
                        .into_iter()
                        .filter(|(interface, _)| scope.covers(path, interface))
                        .map(|(interface, values)| (path.to_owned(), interface, values)),
                );
                Ok(())
            });
        }
        for (path, interface, values) in found {
            self.update(peer, Some(batch), (&path, &interface), values);
        }
        self.batch_answered(peer, batch);
    }

    /// Takes a signal that the cache listens for.
    pub(super) fn cache_signal(&mut self, message: &Message) {
        let header = message.header();
        let Some(peer) = self.peer_of_sender(message) else {
            return;
        };
        let (Some(path), Some(member)) = (header.path(), header.member()) else {
            return;
        };
        let body = message.body();
        let mut reader = bus::reader(message, body.data().bytes());
        let _sender_is_wrong = match (member.as_str(), messages::signature(message)) {
            ("PropertiesChanged", "sa{sv}as") => {
                self.properties_changed(peer, path.as_str(), &mut reader)
            }
            ("InterfacesAdded", "oa{sa{sv}}") => self.interfaces_added(peer, &mut reader),
            ("InterfacesRemoved", "oas") => self.interfaces_removed(peer, &mut reader),
            _ => Ok(()),
        };
        // What the sender got wrong is not told; what it got right before is.
        self.tell_news(peer);
    }

    fn properties_changed(
        &mut self,
        peer: usize,
        path: &str,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let interface = reader.string()?;
        let values = properties(reader)?;
        let mut is_incomplete = false;
        reader.array(b's', |reader| {
            is_incomplete = true;
            reader.string().map(|_| ())
        })?;
        let Some(state) = self.peer(peer) else {
            return Ok(());
        };
        if !state.is_watched(path, interface) {
            return Ok(());
        }
        // Of an interface that was not there before only some properties are known now.
        is_incomplete |= !state.cache.contains(path, interface);
        self.update(peer, None, (path, interface), values);
        if is_incomplete && let Some(state) = self.peer_mut(peer) {
            let batch = state.queue.begin(None);
            self.read_properties(peer, batch, path, interface);
            self.batch_answered(peer, batch);
        }
        Ok(())
    }

    fn interfaces_added(
        &mut self,
        peer: usize,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let path = reader.string()?;
        for (interface, values) in interfaces(reader)? {
            if self
                .peer(peer)
                .is_some_and(|peer| peer.is_watched(path, &interface))
            {
                self.update(peer, None, (path, &interface), values);
            }
        }
        Ok(())
    }

    fn interfaces_removed(
        &mut self,
        peer: usize,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let path = reader.string()?;
        let Some(state) = self.peer_mut(peer) else {
            return Ok(());
        };
        // Those who wait for an introspection wait on.
        if let Some(Node::Known(_)) = state.nodes.get(path) {
            state.nodes.remove(path);
        }
        reader.array(b's', |reader| {
            state.cache.remove(path, reader.string()?);
            Ok(())
        })
    }

    /// Takes values into the cache, and asks for the definition of the interface if nobody knows it. The `batch` to which
    /// the values belong waits for that; without one what comes after them does.
    fn update(
        &mut self,
        peer: usize,
        batch: Option<u64>,
        (path, interface): (&str, &str),
        values: Properties,
    ) {
        let is_described = self.meta.contains_key(interface);
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        if state.cache.len() >= MAX_OBJECTS && !state.cache.contains(path, interface) {
            return;
        }
        state.cache.update(path, interface, values);
        if is_described
            || state.interfaces.contains_key(interface)
            || state.cache.is_announced(interface)
        {
            return;
        }
        let batch = match batch {
            Some(batch) => {
                state.queue.wait(batch);
                batch
            }
            None => state.queue.begin(None),
        };
        let waiting = state.asked.entry(interface.to_owned()).or_default();
        waiting.push(batch);
        if waiting.len() == 1 {
            self.introspect(peer, path, Waiter::Definition(interface.to_owned()));
        }
    }

    fn batch_answered(&mut self, peer: usize, batch: u64) {
        if let Some(state) = self.peer_mut(peer) {
            state.queue.answered(batch);
        }
        self.tell_news(peer);
    }

    /// Takes who owns the name of a peer: tells the page, forgets what the last owner said and asks the new one.
    pub(super) fn owner_of(&mut self, peer: usize, owner: Option<&Arc<str>>) {
        let Some(state) = self.peers.get_mut(peer) else {
            return;
        };
        let known = Owner::Known(owner.cloned());
        if state.owner == known {
            return;
        }
        let was_there = matches!(state.owner, Owner::Known(Some(_)));
        let is_first = state.owner == Owner::Unknown;
        state.owner = known;
        let calls = if was_there { self.forget(peer) } else { Vec::new() };
        if peer == 0 {
            let owner = owner.map_or(Json::Null, |owner| Json::from(&**owner));
            self.tell(peer, format!("{{\"owner\":{owner}}}"));
        }
        for call in calls {
            self.call(call);
        }
        if !is_first && owner.is_some() {
            let watches = self.peer(peer).map(|peer| &peer.watches);
            let scopes: Vec<Scope> = watches
                .into_iter()
                .flatten()
                .map(|watch| watch.scope.clone())
                .collect();
            for scope in scopes {
                self.look_at(peer, scope, None);
            }
        }
    }

    /// Forgets all that the owner of a peer said; returns the calls that waited for it.
    fn forget(&mut self, peer: usize) -> Vec<super::super::requests::Call> {
        let is_ours = |job: &Job| match job {
            Job::Call { .. } => false,
            Job::Introspection { peer: of, .. }
            | Job::Properties { peer: of, .. }
            | Job::ManagedObjects { peer: of, .. } => *of == peer,
        };
        let forgotten: Vec<u64> = self
            .jobs
            .iter()
            .filter(|(_, (job, _))| is_ours(job))
            .map(|(tag, _)| *tag)
            .collect();
        for tag in forgotten {
            self.take_job(tag);
        }
        let Some(state) = self.peers.get_mut(peer) else {
            return Vec::new();
        };
        let nodes = std::mem::take(&mut state.nodes);
        state.interfaces.clear();
        state.asked.clear();
        state.cache.clear();
        state.queue.abandon();
        self.tell_news(peer);
        let calls: Vec<_> = nodes
            .into_values()
            .filter_map(|node| match node {
                Node::Asked(waiting) => Some(waiting),
                Node::Known(_) => None,
            })
            .flatten()
            .filter_map(|waiter| match waiter {
                Waiter::Call(call) => Some(call),
                Waiter::Definition(_) | Waiter::Look(_, _) => None,
            })
            .collect();
        self.calls_waiting -= calls.len();
        calls
    }
}

/// What the cache of a watch listens for.
fn cache_matches(name: Option<&Arc<str>>, scope: &Scope) -> Vec<Match> {
    let on = |interface: &str, path: PathMatch, arg0: Option<String>| Match {
        audience: Audience::Cache,
        name: name.cloned(),
        path,
        interface: Some(interface.to_owned()),
        member: None,
        arg0,
    };
    // The interface is the first argument of PropertiesChanged.
    let properties = on(PROPERTIES, scope.path.clone(), scope.interface.clone());
    // An object manager may stand above what is watched.
    vec![properties, on(OBJECT_MANAGER, PathMatch::Any, None)]
}

/// A call of ours to a peer.
fn own_call(
    peer: &Peer,
    path: &str,
    interface: &str,
    method: &str,
    signature: &str,
    arguments: &[Json],
) -> Result<Message, Failure> {
    let mut message = Message::method_call(path, method).interface(interface);
    if let Some(name) = peer.name.as_deref() {
        message = message.destination(name);
    }
    messages::build(message, signature, arguments)
        .map_err(|error| Failure::invalid(error.to_string()))
}

fn read_introspection(outcome: &Result<Message, Failure>) -> Result<Arc<Introspection>, Failure> {
    let reply = outcome.as_ref().map_err(Clone::clone)?;
    if let Some(failure) = failure_of(reply) {
        return Err(failure);
    }
    let body = reply.body();
    let xml = match messages::signature(reply) {
        "s" => bus::reader(reply, body.data().bytes())
            .string()
            .map_err(|error| error.to_string()),
        _ => Err("introspection data are not a string".to_owned()),
    };
    xml.and_then(|xml| Introspection::parse(xml).map_err(|error| error.to_string()))
        .map(Arc::new)
        .map_err(|message| Failure::new("org.freedesktop.DBus.Error.InconsistentMessage", message))
}

/// Reads `a{sv}`, each value without its variant.
fn properties(reader: &mut Reader<'_>) -> Result<Properties, DecodeError> {
    let mut values = Properties::new();
    reader.array(b'{', |reader| {
        let name = reader.string()?.to_owned();
        let mut value = String::new();
        reader.unwrapped_variant(&mut value)?;
        values.insert(name, value);
        Ok(())
    })?;
    Ok(values)
}

/// Reads `a{sa{sv}}`.
fn interfaces(reader: &mut Reader<'_>) -> Result<Vec<(String, Properties)>, DecodeError> {
    let mut interfaces = Vec::new();
    reader.array(b'{', |reader| {
        let name = reader.string()?.to_owned();
        interfaces.push((name, properties(reader)?));
        Ok(())
    })?;
    Ok(interfaces)
}
