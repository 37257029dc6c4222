//! D-Bus messages from the page's values, and JSON texts from D-Bus messages.

use std::fmt::Write as _;
use std::os::fd::AsFd;

use protocol::dbus_json::{
    DecodeError, EncodeError, Value, body_from_json, body_signature, body_to_json, push_json_string,
};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use serde_json::Value as Json;
use zbus::message::Builder;
use zbus::wire::DynamicType;
use zbus::{Message, Signature};

use crate::buses::bus;
use crate::descriptors::Descriptors;

/// The error that tells a caller of its wrong arguments.
pub(super) const INVALID_ARGS: &str = "org.freedesktop.DBus.Error.InvalidArgs";

/// Why a message was not built. Always the page's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    #[error(transparent)]
    Arguments(#[from] EncodeError),
    /// A name or path is none, or the message is too long.
    #[error("{0}")]
    Message(#[from] zbus::Error),
}

/// The arguments of a message with their signature.
struct Body {
    signature: Signature,
    values: Vec<Value>,
}

impl DynamicType for Body {
    fn signature(&self) -> Signature {
        self.signature.clone()
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_tuple(self.values.len())?;
        for value in &self.values {
            fields.serialize_element(value)?;
        }
        fields.end()
    }
}

/// Finishes a message with the page's arguments.
pub(super) fn build(
    message: Builder<'_>,
    signature: &str,
    arguments: &[Json],
) -> Result<Message, BuildError> {
    let values = body_from_json(signature, arguments)?;
    if values.is_empty() {
        return Ok(message.build(&())?);
    }
    let signature =
        Signature::try_from(format!("({signature})").as_str()).map_err(zbus::Error::from)?;
    Ok(message.build(&Body { signature, values })?)
}

/// The signature of a message's arguments as it stands in the header. (The one that zbus parsed does not tell `(ss)`
/// from `ss`.)
pub(super) fn signature(message: &Message) -> &str {
    body_signature(message.data().bytes(), bus::endian(message)).unwrap_or_default()
}

/// Writes a message's arguments as a JSON array. Its descriptors are put on offer.
pub(super) fn push_arguments(
    message: &Message,
    descriptors: &Descriptors,
    json: &mut String,
) -> Result<(), DecodeError> {
    let handles: Vec<String> = message
        .data()
        .fds()
        .iter()
        .map(|descriptor| match descriptor.as_fd().try_clone_to_owned() {
            Ok(descriptor) => {
                let id = descriptors.offer(descriptor);
                format!("{{\"payload\":\"stream\",\"internal\":\"{id}\"}}")
            }
            Err(_no_more_descriptors) => "null".to_owned(),
        })
        .collect();
    let body = message.body();
    body_to_json(signature(message), body.data().bytes(), bus::endian(message), &handles, json)
}

/// Writes `,"name":value`.
pub(super) fn push_text_member(name: &str, value: &str, json: &mut String) {
    let _ = write!(json, ",\"{name}\":");
    push_json_string(value, json);
}

/// Writes `,"id":…` if there is one.
pub(super) fn push_id(id: Option<&Json>, json: &mut String) {
    if let Some(id) = id {
        let _ = write!(json, ",\"id\":{id}");
    }
}

/// The `error` message for the call `id`.
pub(super) fn error_text(id: &Json, name: &str, message: &str) -> String {
    let mut json = String::from("{\"error\":[");
    push_json_string(name, &mut json);
    json.push_str(",[");
    push_json_string(message, &mut json);
    json.push_str("]]");
    push_id(Some(id), &mut json);
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round_trip(signature: &str, arguments: &[Json]) -> Json {
        let message = Message::method_call("/a", "M").destination("a.b");
        let message = build(message, signature, arguments).unwrap();
        assert_eq!(super::signature(&message), signature);
        let mut json = String::new();
        push_arguments(&message, &Descriptors::default(), &mut json).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn arguments_come_back_from_the_wire_as_they_were() {
        let arguments = [
            json!("text"),
            json!({"a": {"t": "a(yb)", "v": [[1, true], [2, false]]}}),
            json!("YWJj"),
            json!([[], ["x"]]),
            json!({"5": {"t": "v", "v": {"t": "o", "v": "/x"}}}),
            json!([18_446_744_073_709_551_615_u64, "a{sv}", -1.5]),
            json!([["x", 1]]),
        ];
        let signature = "sa{sv}ayaasa{nv}(tgd)a(sx)";
        assert_eq!(round_trip(signature, &arguments), Json::from(arguments.to_vec()));
        assert_eq!(round_trip("(su)", &[json!(["a", 1])]), json!([["a", 1]]));
        assert_eq!(round_trip("", &[]), json!([]));
        assert_eq!(round_trip("ax", &[json!([])]), json!([[]]));
    }

    /// A complete type and a value of it, as it comes back.
    fn typed() -> impl Strategy<Value = (String, Json)> {
        let basic = prop_oneof![
            any::<u8>().prop_map(|value| ("y".to_owned(), json!(value))),
            any::<bool>().prop_map(|value| ("b".to_owned(), json!(value))),
            any::<i16>().prop_map(|value| ("n".to_owned(), json!(value))),
            any::<u16>().prop_map(|value| ("q".to_owned(), json!(value))),
            any::<i32>().prop_map(|value| ("i".to_owned(), json!(value))),
            any::<u32>().prop_map(|value| ("u".to_owned(), json!(value))),
            any::<i64>().prop_map(|value| ("x".to_owned(), json!(value))),
            any::<u64>().prop_map(|value| ("t".to_owned(), json!(value))),
            // Eighths: our JSON reader rounds the last digit of longer ones.
            any::<i32>().prop_map(|value| ("d".to_owned(), json!(f64::from(value) / 8.0))),
            "[^\0]{0,12}".prop_map(|value| ("s".to_owned(), json!(value))),
            "(/[a-z0-9_]{1,4}){1,3}".prop_map(|value| ("o".to_owned(), json!(value))),
            "[a-zA-Z0-9]{0,9}".prop_map(|value| {
                use base64::Engine as _;
                let coded = base64::engine::general_purpose::STANDARD.encode(value);
                ("ay".to_owned(), json!(coded))
            }),
        ];
        basic.prop_recursive(6, 48, 4, |inner| {
            prop_oneof![
                inner
                    .clone()
                    .prop_map(|(t, v)| ("v".to_owned(), json!({"t": t, "v": v}))),
                (inner.clone(), 0..3_usize).prop_map(|((t, v), n)| match t.as_str() {
                    // An array of bytes is written in another way.
                    "y" => (format!("({t})"), json!([v])),
                    _ => (format!("a{t}"), Json::from(vec![v; n])),
                }),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|fields| {
                    let (types, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
                    (format!("({})", types.concat()), Json::from(values))
                }),
                (any::<i32>(), inner.clone()).prop_map(|(key, (t, v))| {
                    (format!("a{{i{t}}}"), json!({ key.to_string(): v }))
                }),
                ("[^\0]{0,6}", inner)
                    .prop_map(|(key, (t, v))| (format!("a{{s{t}}}"), json!({ key: v }))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_comes_back_from_the_wire_as_it_was(
            values in prop::collection::vec(typed(), 0..4),
        ) {
            let (types, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
            let signature = types.concat();
            prop_assume!(signature.len() < 256);
            prop_assert_eq!(round_trip(&signature, &values), Json::from(values));
        }
    }
}
