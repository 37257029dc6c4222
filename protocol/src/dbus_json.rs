//! D-Bus values as JSON, and JSON as D-Bus values, by signature.
//!
//! The decoder walks over the bytes of a message body and writes JSON text, without a tree in between; the encoder
//! checks JSON against a signature before anything is sent. Nothing here talks to a bus. Callers:
//! `bridge::channels::dbus`. Formats: docs/protocol.md, "dbus-json3", and the D-Bus specification, "Type System" and
//! "Wire Format".

mod decode;
mod encode;
mod introspection;
mod signature;

pub use decode::{
    DecodeError, Endian, Reader, body_signature, body_to_json, descriptor_count, push_json_string,
};
pub use encode::{EncodeError, Value, body_from_json};
pub use introspection::{Interface, Introspection, IntrospectionError, Method, Property};
pub use signature::{SignatureError, is_object_path, single_types, validate};
