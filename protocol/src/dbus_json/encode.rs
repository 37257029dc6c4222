//! JSON checked against a signature, as values that a message can be built of.
//!
//! Everything that the bus would answer by cutting the connection (a bad path, a zero byte in a string) is refused
//! here, with a sentence for the page. Source: docs/protocol.md, "dbus-json3"; D-Bus specification, "Type System".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde_json::Value as Json;

use super::signature::{self, SignatureError};
use crate::json;

/// A D-Bus value. Serialized under its signature it is the value's place in a message body.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the D-Bus type of its name")]
pub enum Value {
    Byte(u8),
    Boolean(bool),
    Int16(i16),
    Uint16(u16),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    /// A string, an object path or a signature.
    Text(String),
    /// An array of bytes.
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Dictionary(Vec<(Value, Value)>),
    Structure(Vec<Value>),
    /// A value with its signature.
    Variant(String, Box<Value>),
}

/// Why JSON is no value of a type. Always the page's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// JSON of another kind than the type needs.
    #[error("{found} where type {expected:?} needs {needed}")]
    WrongKind {
        /// The D-Bus type.
        expected: String,
        /// What JSON it is written as.
        needed: &'static str,
        /// What JSON is there.
        found: &'static str,
    },
    /// A number beyond what the type holds.
    #[error("number {number} does not fit type {expected:?}")]
    OutOfRange {
        /// The D-Bus type.
        expected: String,
        /// The number.
        number: String,
    },
    /// Text that is no object path.
    #[error("{0:?} is not an object path")]
    BadPath(String),
    /// A string with a zero byte.
    #[error("a string with a zero byte")]
    ZeroByte,
    /// A byte array that is not base64.
    #[error("a byte array that is not base64")]
    BadBase64,
    /// The key of a dictionary that is not JSON of its type.
    #[error("{0:?} is not a key of the dictionary's type")]
    BadKey(String),
    /// A signature is not one.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// More or fewer values than the signature has types.
    #[error("{found} arguments where type {signature:?} needs {needed}")]
    WrongCount {
        /// The signature.
        signature: String,
        /// How many values are needed.
        needed: usize,
        /// How many are there.
        found: usize,
    },
    /// Descriptors cannot come from a page.
    #[error("a page cannot send file descriptors")]
    Descriptor,
}

/// The values of a body of type `signature` from the arguments in JSON.
///
/// # Errors
///
/// [`EncodeError`] for the first argument that does not fit.
pub fn body_from_json(signature: &str, arguments: &[Json]) -> Result<Vec<Value>, EncodeError> {
    let types = signature::single_types(signature)?;
    if types.len() != arguments.len() {
        return Err(EncodeError::WrongCount {
            signature: signature.to_owned(),
            needed: types.len(),
            found: arguments.len(),
        });
    }
    types
        .iter()
        .zip(arguments)
        .map(|(signature, argument)| value(signature.as_bytes(), argument))
        .collect()
}

/// One value of the complete type `signature`. JSON is not nested deeper than its own limit, so neither are calls.
fn value(signature: &[u8], json: &Json) -> Result<Value, EncodeError> {
    let (&code, inner) = signature.split_first().ok_or(SignatureError::Incomplete)?;
    match code {
        b'a' => match inner.strip_prefix(b"{") {
            Some(entry) => dictionary(signature, entry, json),
            None if inner.first() == Some(&b'y') => bytes(signature, json),
            None => array(signature, inner, json),
        },
        b'(' => structure(signature, inner, json),
        b'v' => variant(json),
        _ => basic(code, json),
    }
}

fn basic(code: u8, json: &Json) -> Result<Value, EncodeError> {
    match code {
        b'y' => integer(code, json).map(Value::Byte),
        b'n' => integer(code, json).map(Value::Int16),
        b'q' => integer(code, json).map(Value::Uint16),
        b'i' => integer(code, json).map(Value::Int32),
        b'u' => integer(code, json).map(Value::Uint32),
        b'x' => integer(code, json).map(Value::Int64),
        b't' => integer(code, json).map(Value::Uint64),
        b'b' => match json.as_bool() {
            Some(value) => Ok(Value::Boolean(value)),
            None => Err(wrong_kind(&[code], "a boolean", json)),
        },
        b'd' => match json.as_f64() {
            Some(number) => Ok(Value::Double(number)),
            None => Err(wrong_kind(&[code], "a number", json)),
        },
        b's' | b'o' | b'g' => text(code, json),
        b'h' => Err(EncodeError::Descriptor),
        other => Err(SignatureError::Unexpected(other).into()),
    }
}

fn text(code: u8, json: &Json) -> Result<Value, EncodeError> {
    let Json::String(text) = json else {
        return Err(wrong_kind(&[code], "a string", json));
    };
    match code {
        b'o' if !signature::is_object_path(text) => Err(EncodeError::BadPath(text.clone())),
        b'g' => {
            signature::validate(text)?;
            Ok(Value::Text(text.clone()))
        }
        _ if text.contains('\0') => Err(EncodeError::ZeroByte),
        _ => Ok(Value::Text(text.clone())),
    }
}

/// An integer of the type that the caller wants; `1.0` is one, `1.5` is none.
fn integer<T: TryFrom<i128>>(code: u8, json: &Json) -> Result<T, EncodeError> {
    let Json::Number(number) = json else {
        return Err(wrong_kind(&[code], "a number", json));
    };
    let exact = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
        .or_else(|| number.as_f64().and_then(whole));
    exact
        .and_then(|exact| T::try_from(exact).ok())
        .ok_or_else(|| EncodeError::OutOfRange {
            expected: char::from(code).to_string(),
            number: number.to_string(),
        })
}

/// A double that is an integer below 2^64, as that integer.
fn whole(number: f64) -> Option<i128> {
    let small = number.fract() == 0.0 && number.abs() < 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and far below 2^127")]
    small.then_some(number as i128)
}

fn bytes(signature: &[u8], json: &Json) -> Result<Value, EncodeError> {
    let Json::String(text) = json else {
        return Err(wrong_kind(signature, "a string in base64", json));
    };
    STANDARD
        .decode(text)
        .map(Value::Bytes)
        .map_err(|_| EncodeError::BadBase64)
}

fn array(signature: &[u8], element: &[u8], json: &Json) -> Result<Value, EncodeError> {
    let Json::Array(elements) = json else {
        return Err(wrong_kind(signature, "an array", json));
    };
    elements
        .iter()
        .map(|json| value(element, json))
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

fn dictionary(signature: &[u8], entry: &[u8], json: &Json) -> Result<Value, EncodeError> {
    let Json::Object(members) = json else {
        return Err(wrong_kind(signature, "an object", json));
    };
    let (key_type, rest) = signature::split(entry)?;
    let (value_type, _brace) = signature::split(rest)?;
    let code = *key_type.first().ok_or(SignatureError::Incomplete)?;
    members
        .iter()
        .map(|(name, json)| Ok((key(code, name)?, value(value_type, json)?)))
        .collect::<Result<_, _>>()
        .map(Value::Dictionary)
}

/// Keys that are no strings are JSON within the member's name.
fn key(code: u8, name: &str) -> Result<Value, EncodeError> {
    if matches!(code, b's' | b'o' | b'g') {
        return text(code, &Json::String(name.to_owned()));
    }
    let json = json::parse(name.as_bytes()).map_err(|_| EncodeError::BadKey(name.to_owned()))?;
    basic(code, &json)
}

fn structure(signature: &[u8], fields: &[u8], json: &Json) -> Result<Value, EncodeError> {
    let Json::Array(values) = json else {
        return Err(wrong_kind(signature, "an array", json));
    };
    let mut types = Vec::new();
    let mut rest = fields;
    while rest.first().is_some_and(|&code| code != b')') {
        let (first, after) = signature::split(rest)?;
        types.push(first);
        rest = after;
    }
    if types.len() != values.len() {
        return Err(EncodeError::WrongCount {
            signature: String::from_utf8_lossy(signature).into_owned(),
            needed: types.len(),
            found: values.len(),
        });
    }
    types
        .iter()
        .zip(values)
        .map(|(signature, json)| value(signature, json))
        .collect::<Result<_, _>>()
        .map(Value::Structure)
}

fn variant(json: &Json) -> Result<Value, EncodeError> {
    let wrong = || wrong_kind(b"v", "an object with \"t\" and \"v\"", json);
    let Json::Object(members) = json else {
        return Err(wrong());
    };
    let (Some(Json::String(signature)), Some(inner)) = (members.get("t"), members.get("v")) else {
        return Err(wrong());
    };
    signature::validate_single(signature.as_bytes())?;
    Ok(Value::Variant(signature.clone(), Box::new(value(signature.as_bytes(), inner)?)))
}

fn wrong_kind(signature: &[u8], needed: &'static str, found: &Json) -> EncodeError {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    let expected = String::from_utf8_lossy(signature).into_owned();
    EncodeError::WrongKind { expected, needed, found }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Byte(value) => serializer.serialize_u8(*value),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Int16(value) => serializer.serialize_i16(*value),
            Self::Uint16(value) => serializer.serialize_u16(*value),
            Self::Int32(value) => serializer.serialize_i32(*value),
            Self::Uint32(value) => serializer.serialize_u32(*value),
            Self::Int64(value) => serializer.serialize_i64(*value),
            Self::Uint64(value) => serializer.serialize_u64(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let mut elements = serializer.serialize_seq(Some(bytes.len()))?;
                for byte in bytes {
                    elements.serialize_element(byte)?;
                }
                elements.end()
            }
            Self::Array(values) => {
                let mut elements = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    elements.serialize_element(value)?;
                }
                elements.end()
            }
            Self::Dictionary(entries) => {
                let mut members = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    members.serialize_entry(key, value)?;
                }
                members.end()
            }
            Self::Structure(values) => {
                let mut fields = serializer.serialize_tuple(values.len())?;
                for value in values {
                    fields.serialize_element(value)?;
                }
                fields.end()
            }
            Self::Variant(signature, value) => {
                let mut parts = serializer.serialize_tuple(2)?;
                parts.serialize_element(signature)?;
                parts.serialize_element(value)?;
                parts.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_becomes_values_of_the_signature() {
        let arguments =
            [json!(7), json!("YWJj"), json!({"5": {"t": "as", "v": ["x"]}}), json!([1.0, "/a"])];
        let values = body_from_json("yaya{uv}(no)", &arguments).unwrap();
        assert_eq!(
            values,
            [
                Value::Byte(7),
                Value::Bytes(b"abc".to_vec()),
                Value::Dictionary(vec![(
                    Value::Uint32(5),
                    Value::Variant(
                        "as".to_owned(),
                        Box::new(Value::Array(vec![Value::Text("x".to_owned())]))
                    )
                )]),
                Value::Structure(vec![Value::Int16(1), Value::Text("/a".to_owned())]),
            ]
        );
    }

    #[test]
    fn sixty_four_bits_stay_exact() {
        let text = "[18446744073709551615,-9223372036854775808,9223372036854775807]";
        let arguments: Vec<Json> = serde_json::from_str(text).unwrap();
        let values = body_from_json("txx", &arguments).unwrap();
        assert_eq!(
            values,
            [Value::Uint64(u64::MAX), Value::Int64(i64::MIN), Value::Int64(i64::MAX)]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason() {
        for (signature, json, reason) in [
            ("s", json!(5), "a number where type \"s\" needs a string"),
            ("y", json!(256), "number 256 does not fit type \"y\""),
            ("i", json!(1.5), "number 1.5 does not fit type \"i\""),
            ("t", json!(-1), "number -1 does not fit type \"t\""),
            ("t", json!(1e300), "number 1e+300 does not fit type \"t\""),
            ("b", json!(1), "a number where type \"b\" needs a boolean"),
            ("d", json!(null), "null where type \"d\" needs a number"),
            ("o", json!("a"), "\"a\" is not an object path"),
            ("s", json!("a\0"), "a string with a zero byte"),
            ("g", json!("z"), "signature has an unexpected 'z'"),
            ("ay", json!("%"), "a byte array that is not base64"),
            ("as", json!({}), "an object where type \"as\" needs an array"),
            ("a{ss}", json!([]), "an array where type \"a{ss}\" needs an object"),
            ("a{us}", json!({"x": "y"}), "\"x\" is not a key of the dictionary's type"),
            ("(ss)", json!(["a"]), "1 arguments where type \"(ss)\" needs 2"),
            ("v", json!("a"), "a string where type \"v\" needs an object with \"t\" and \"v\""),
            ("v", json!({"t": "ss", "v": "a"}), "exactly one complete type is needed"),
            ("h", json!(0), "a page cannot send file descriptors"),
        ] {
            let refused = body_from_json(signature, &[json]).unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
        let refused = body_from_json("ss", &[json!("a")]).unwrap_err();
        assert_eq!(refused.to_string(), "1 arguments where type \"ss\" needs 2");
    }

    proptest! {
        #[test]
        fn any_json_under_any_signature_never_panics(
            signature in "[ybnqiuxtdsogvh(){}a]{0,12}",
            text in r#"[\[\]{}:,0-9"tvs.e-]{0,40}"#,
        ) {
            if let Ok(json) = serde_json::from_str::<Json>(&text) {
                let _refused_or_not = body_from_json(&signature, &[json]);
            }
        }
    }
}
