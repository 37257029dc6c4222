//! JSON from a peer, read within limits.
//!
//! One function for all JSON objects that cross the wire: depth at most [`MAX_JSON_DEPTH`], at most
//! [`MAX_JSON_MEMBERS`] members and elements, no key twice (T30, T41). Callers: `control`, and channels whose data
//! are JSON.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_MEMBERS};

/// Members of a JSON object, sorted by key.
pub type Fields = Map<String, Value>;

/// Why a text is refused. Always the sender's fault.
#[derive(Debug, thiserror::Error)]
#[error("bad JSON: {0}")]
pub struct JsonError(#[from] serde_json::Error);

/// Reads one JSON value that fills `text` whole.
///
/// # Errors
///
/// [`JsonError`] when it is not JSON, not UTF-8, or beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let members = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Limited { depth: 0, members: &members }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one JSON object that fills `text` whole.
///
/// # Errors
///
/// As [`parse`], and when the value is not an object.
pub fn parse_object(text: &[u8]) -> Result<Fields, JsonError> {
    match parse(text)? {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonError(serde_json::Error::custom("an object was expected")))
        }
    }
}

/// Builds a value while it counts what it built.
#[derive(Clone, Copy)]
struct Limited<'a> {
    depth: usize,
    members: &'a Cell<usize>,
}

impl Limited<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_JSON_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.members.set(self.members.get() + 1);
        if self.members.get() > MAX_JSON_MEMBERS {
            return Err(E::custom(format_args!("more than {MAX_JSON_MEMBERS} members")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Limited<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Limited<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inside)? {
            self.count()?;
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.count()?;
            let value = members.next_value_seed(inside)?;
            if let Some(_first) = object.insert(key, value) {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_refuse_depth_members_and_double_keys() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(parse(&deep(MAX_JSON_DEPTH)).is_ok());
        assert!(parse(&deep(MAX_JSON_DEPTH + 1)).is_err());
        assert!(parse(&deep(100_000)).is_err());

        let wide = |members: usize| format!("[{}0]", "0,".repeat(members - 1)).into_bytes();
        assert!(parse(&wide(MAX_JSON_MEMBERS)).is_ok());
        assert!(parse(&wide(MAX_JSON_MEMBERS + 1)).is_err());

        assert!(parse(br#"{"a":1,"a":2}"#).is_err());
        assert!(parse(b"{} {}").is_err());
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn values_come_through_unchanged() {
        let text = r#"{"a":[1,-2,3.5,null,true],"b":{"c":"d"},"e":18446744073709551615}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
}
