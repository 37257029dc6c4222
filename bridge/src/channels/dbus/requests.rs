//! What the page asks for: its messages, parsed once.
//!
//! A message that is none of these, or that has a part of the wrong kind, closes the channel with `protocol-error`; a
//! call whose arguments are wrong gets an error of its own. Text: docs/protocol.md, "dbus-json3".

use std::sync::Arc;
use std::time::Duration;

use protocol::dbus_json::is_object_path;
use protocol::json::{self, Fields};
use serde_json::Value as Json;
use zbus::names::{BusName, InterfaceName, MemberName};

use crate::buses::matching::PathMatch;
use crate::channel::Closed;

/// A message of the page.
#[derive(Debug)]
pub(super) enum Request {
    Call(Call),
    Signal(Emission),
    AddMatch(Selection),
    RemoveMatch(Selection),
    Watch(Selection, Option<Json>),
    Unwatch(Selection),
    Meta(Fields),
    Notify(Fields),
    Publish(Address, Option<Json>),
    Unpublish(Address),
    Reply { id: Json, arguments: Vec<Json>, signature: Option<String> },
    Error { id: Json, name: String, arguments: Vec<Json> },
}

/// A method call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) address: Address,
    pub(super) method: String,
    pub(super) arguments: Vec<Json>,
    pub(super) name: Option<Arc<str>>,
    /// Signature of the arguments, when the page knows it.
    pub(super) signature: Option<String>,
    pub(super) flags: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// What the page calls it; without one it wants no answer.
    pub(super) id: Option<Json>,
}

/// A signal to be sent.
#[derive(Debug)]
pub(super) struct Emission {
    pub(super) address: Address,
    pub(super) member: String,
    pub(super) arguments: Vec<Json>,
    pub(super) signature: Option<String>,
    pub(super) destination: Option<String>,
}

/// An interface of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) path: String,
    pub(super) interface: String,
}

/// Which signals or properties are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) name: Option<Arc<str>>,
    pub(super) path: PathMatch,
    pub(super) interface: Option<String>,
    pub(super) member: Option<String>,
    pub(super) arg0: Option<String>,
}

impl Request {
    /// Reads a message.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Closed> {
        let mut message = json::parse_object(data)
            .map_err(|error| Closed::protocol_error(format!("message of the page: {error}")))?;
        let id = message.remove("id");
        for kind in KINDS {
            if let Some(subject) = message.remove(*kind) {
                return Self::of_kind(kind, subject, message, id);
            }
        }
        Err(Closed::protocol_error("message of the page is of no known kind"))
    }

    fn of_kind(
        kind: &str,
        subject: Json,
        mut rest: Fields,
        id: Option<Json>,
    ) -> Result<Self, Closed> {
        let answered = |id: Option<Json>| id.ok_or_else(|| wrong("id"));
        Ok(match kind {
            "call" => Self::Call(call(subject, &mut rest, id)?),
            "signal" => Self::Signal(emission(subject, &mut rest)?),
            "add-match" => Self::AddMatch(selection(kind, subject)?),
            "remove-match" => Self::RemoveMatch(selection(kind, subject)?),
            "watch" => Self::Watch(selection(kind, subject)?, id),
            "unwatch" => Self::Unwatch(selection(kind, subject)?),
            "meta" => Self::Meta(object(kind, subject)?),
            "notify" => Self::Notify(object(kind, subject)?),
            "publish" => Self::Publish(published(kind, subject)?, id),
            "unpublish" => Self::Unpublish(published(kind, subject)?),
            "reply" => {
                let arguments = match array(kind, subject)?.into_iter().next() {
                    Some(arguments) => arguments_of(arguments).ok_or_else(|| wrong(kind))?,
                    None => Vec::new(),
                };
                Self::Reply { id: answered(id)?, arguments, signature: text(&mut rest, "type")? }
            }
            _ => {
                let mut parts = array("error", subject)?.into_iter();
                let Some(Json::String(name)) = parts.next() else {
                    return Err(wrong("error"));
                };
                let arguments = parts.next().unwrap_or_default();
                let arguments = arguments_of(arguments).ok_or_else(|| wrong("error"))?;
                Self::Error { id: answered(id)?, name, arguments }
            }
        })
    }
}

/// The kinds of messages, each named by its one member.
const KINDS: &[&str] = &[
    "call",
    "add-match",
    "watch",
    "signal",
    "remove-match",
    "unwatch",
    "meta",
    "notify",
    "reply",
    "error",
    "publish",
    "unpublish",
];

fn call(subject: Json, rest: &mut Fields, id: Option<Json>) -> Result<Call, Closed> {
    let (address, method, arguments) = member(subject).ok_or_else(|| wrong("call"))?;
    let timeout = match rest.remove("timeout") {
        None | Some(Json::Null) => None,
        Some(timeout) => match timeout.as_f64() {
            Some(milliseconds) => {
                // A negative or endless time-out is none.
                Duration::try_from_secs_f64(milliseconds / 1_000.0)
                    .ok()
                    .filter(|timeout| *timeout < LONGEST_TIMEOUT)
            }
            None => return Err(wrong("timeout")),
        },
    };
    Ok(Call {
        address,
        method,
        arguments,
        name: name(rest)?,
        signature: text(rest, "type")?,
        flags: text(rest, "flags")?,
        timeout,
        id: id.filter(|id| !id.is_null()),
    })
}

/// A longer time-out counts as none.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(30 * 24);

fn emission(subject: Json, rest: &mut Fields) -> Result<Emission, Closed> {
    let (address, name, arguments) = member(subject).ok_or_else(|| wrong("signal"))?;
    Ok(Emission {
        address,
        member: name,
        arguments,
        signature: text(rest, "type")?,
        destination: text(rest, "destination")?,
    })
}

/// Path, interface, member and arguments.
fn member(subject: Json) -> Option<(Address, String, Vec<Json>)> {
    let Json::Array(parts) = subject else {
        return None;
    };
    let [Json::String(path), Json::String(interface), Json::String(member), arguments] =
        <[Json; 4]>::try_from(parts).ok()?
    else {
        return None;
    };
    Some((Address { path, interface }, member, arguments_of(arguments)?))
}

/// Arguments are an array, or null where there are none.
fn arguments_of(arguments: Json) -> Option<Vec<Json>> {
    match arguments {
        Json::Array(arguments) => Some(arguments),
        Json::Null => Some(Vec::new()),
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => None,
    }
}

fn selection(kind: &str, subject: Json) -> Result<Selection, Closed> {
    let mut parts = object(kind, subject)?;
    let (path, below) = (text(&mut parts, "path")?, text(&mut parts, "path_namespace")?);
    let path = match (path, below) {
        (Some(_), Some(_)) => {
            let message = format!("{kind} with both \"path\" and \"path_namespace\"");
            return Err(Closed::protocol_error(message));
        }
        (Some(path), None) if is_object_path(&path) => PathMatch::Exactly(path),
        (None, Some(below)) if is_object_path(&below) => PathMatch::Below(below),
        (None, None) => PathMatch::Any,
        (Some(path), None) | (None, Some(path)) => {
            return Err(Closed::protocol_error(format!("{path:?} is not an object path")));
        }
    };
    let selection = Selection {
        name: name(&mut parts)?,
        path,
        interface: text(&mut parts, "interface")?,
        member: text(&mut parts, "member")?,
        arg0: text(&mut parts, "arg0")?,
    };
    if let Some(interface) = &selection.interface
        && InterfaceName::try_from(interface.as_str()).is_err()
    {
        return Err(Closed::protocol_error(format!("{interface:?} is not an interface name")));
    }
    if let Some(member) = &selection.member
        && MemberName::try_from(member.as_str()).is_err()
    {
        return Err(Closed::protocol_error(format!("{member:?} is not a member name")));
    }
    if selection
        .arg0
        .as_ref()
        .is_some_and(|arg0| arg0.contains('\0'))
    {
        return Err(wrong("arg0"));
    }
    Ok(selection)
}

fn published(kind: &str, subject: Json) -> Result<Address, Closed> {
    let Ok([Json::String(path), Json::String(interface)]) =
        <[Json; 2]>::try_from(array(kind, subject)?)
    else {
        return Err(wrong(kind));
    };
    if !is_object_path(&path) || InterfaceName::try_from(interface.as_str()).is_err() {
        let message = format!("{path:?} and {interface:?} are not a path and an interface name");
        return Err(Closed::protocol_error(message));
    }
    Ok(Address { path, interface })
}

fn name(parts: &mut Fields) -> Result<Option<Arc<str>>, Closed> {
    let Some(name) = text(parts, "name")? else {
        return Ok(None);
    };
    match BusName::try_from(name.as_str()) {
        Ok(_valid) => Ok(Some(name.into())),
        Err(_) => Err(Closed::protocol_error(format!("{name:?} is not a bus name"))),
    }
}

/// The text `part`; none when it is absent or null.
fn text(parts: &mut Fields, part: &str) -> Result<Option<String>, Closed> {
    match parts.remove(part) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            Err(wrong(part))
        }
    }
}

fn object(kind: &str, subject: Json) -> Result<Fields, Closed> {
    match subject {
        Json::Object(object) => Ok(object),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(wrong(kind))
        }
    }
}

fn array(kind: &str, subject: Json) -> Result<Vec<Json>, Closed> {
    match subject {
        Json::Array(array) => Ok(array),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            Err(wrong(kind))
        }
    }
}

fn wrong(part: &str) -> Closed {
    Closed::protocol_error(format!("message of the page: {part:?} has a value of the wrong kind"))
}
