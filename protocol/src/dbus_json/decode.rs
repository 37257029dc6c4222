//! The walk over the bytes of a message body that writes JSON text.
//!
//! Bytes come from other programs and may be anything: each read is checked, nothing panics, and nesting ends at
//! [`MAX_DEPTH`]. Source: D-Bus specification, "Marshaling (Wire Format)".

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::signature::{self, SignatureError};

/// Deepest nesting of containers in one body in levels, variants included; from the specification.
const MAX_DEPTH: usize = 64;

/// Longest array in bytes, from the specification.
const MAX_ARRAY: usize = 1 << 26;

/// Byte order of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Why bytes are not a body of the announced signature. Always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body ends within a value.
    #[error("message body ends within a value")]
    CutOff,
    /// More bytes than the signature accounts for.
    #[error("message body has bytes after its last value")]
    Excess,
    /// A string is not UTF-8, or not ended by a zero byte.
    #[error("message body has a string that is none")]
    BadString,
    /// A boolean that is neither 0 nor 1.
    #[error("message body has a boolean of {0}")]
    BadBool(u32),
    /// An array whose length does not fall on the end of an element, or is beyond the limit.
    #[error("message body has an array of a wrong length")]
    BadArray,
    /// Containers nested deeper than the limit.
    #[error("message body nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A signature is not one.
    #[error("message body has a bad signature: {0}")]
    Signature(#[from] SignatureError),
}

/// Writes the values of a body as one JSON array into `json`.
///
/// `handles` are the texts that stand for file descriptors, by index; a descriptor without one is its index.
///
/// # Errors
///
/// [`DecodeError`]; `json` then holds an incomplete text.
pub fn body_to_json(
    signature: &str,
    bytes: &[u8],
    endian: Endian,
    handles: &[String],
    json: &mut String,
) -> Result<(), DecodeError> {
    signature::validate(signature)?;
    let mut reader = Reader::new(bytes, endian, handles);
    json.reserve(bytes.len());
    json.push('[');
    let mut rest = signature.as_bytes();
    while !rest.is_empty() {
        let (first, after) = signature::split(rest)?;
        reader.value(first, 0, json)?;
        rest = after;
        if !rest.is_empty() {
            json.push(',');
        }
    }
    json.push(']');
    reader.finish()
}

/// Bytes of a message before its header fields.
const FIXED_HEADER: usize = 12;

/// The code of the header field that holds the signature of the body.
const SIGNATURE_FIELD: u8 = 8;

/// The code of the header field that holds the number of descriptors.
const DESCRIPTORS_FIELD: u8 = 9;

/// The signature of the body of a whole message; empty when it has none.
///
/// # Errors
///
/// [`DecodeError`] when the bytes are no message.
pub fn body_signature(message: &[u8], endian: Endian) -> Result<&str, DecodeError> {
    Ok(fields(message, endian)?.signature)
}

/// How many descriptors a whole message says it has.
///
/// # Errors
///
/// [`DecodeError`] when the bytes are no message.
pub fn descriptor_count(message: &[u8], endian: Endian) -> Result<usize, DecodeError> {
    Ok(fields(message, endian)?.descriptors as usize)
}

/// Fields of a header that say what is in the body. D-Bus specification, "Header Fields".
#[derive(Default)]
struct HeaderFields<'a> {
    signature: &'a str,
    descriptors: u32,
}

fn fields(message: &[u8], endian: Endian) -> Result<HeaderFields<'_>, DecodeError> {
    let mut reader = Reader::new(message, endian, &[]);
    reader.bytes(FIXED_HEADER)?;
    let mut fields = HeaderFields::default();
    reader.array(b'(', |reader| {
        let [code] = reader.take()?;
        match (code, reader.variant_signature()?) {
            (SIGNATURE_FIELD, "g") => fields.signature = reader.signature()?,
            (_, "g") => reader.signature().map(|_| ())?,
            (_, "s" | "o") => reader.string().map(|_| ())?,
            (DESCRIPTORS_FIELD, "u") => fields.descriptors = reader.u32()?,
            (_, "u") => reader.u32().map(|_| ())?,
            (_, other) => {
                let mut skipped = String::new();
                reader.value(other.as_bytes(), 1, &mut skipped)?;
            }
        }
        Ok(())
    })?;
    Ok(fields)
}

/// A place in a body, for those who know its shape and want single values.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    endian: Endian,
    handles: &'a [String],
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of a body.
    pub fn new(bytes: &'a [u8], endian: Endian, handles: &'a [String]) -> Self {
        Self { bytes, at: 0, endian, handles }
    }

    /// Reads a string or an object path.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when there is none.
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.u32()? as usize;
        self.text(length)
    }

    /// Reads an array: calls `element` until its end. `first` is the first character of the element's type.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of the array or of an element.
    pub fn array(
        &mut self,
        first: u8,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let end = self.array_end(first)?;
        while self.at < end {
            self.align(signature::alignment(first))?;
            element(self)?;
        }
        if self.at == end { Ok(()) } else { Err(DecodeError::BadArray) }
    }

    /// Reads a variant and writes the value that is in it, without its type.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when there is none.
    pub fn unwrapped_variant(&mut self, json: &mut String) -> Result<(), DecodeError> {
        let signature = self.variant_signature()?;
        self.value(signature.as_bytes(), 1, json)
    }

    /// Says that the body must end here.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Excess`] when it does not.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(DecodeError::Excess) }
    }

    /// Writes one value of the complete type `signature`, within `depth` containers.
    fn value(
        &mut self,
        signature: &[u8],
        depth: usize,
        json: &mut String,
    ) -> Result<(), DecodeError> {
        let (&code, inner) = signature.split_first().ok_or(SignatureError::Incomplete)?;
        match code {
            b's' | b'o' => push_json_string(self.string()?, json),
            b'g' => push_json_string(self.signature()?, json),
            b'v' => self.variant(deeper(depth)?, json)?,
            b'a' => self.array_value(inner, deeper(depth)?, json)?,
            b'(' => self.structure(inner, deeper(depth)?, json)?,
            b'h' => {
                let index = self.u32()?;
                match self.handles.get(index as usize) {
                    Some(handle) => json.push_str(handle),
                    None => push_number(index, json),
                }
            }
            _ => self.basic(code, json)?,
        }
        Ok(())
    }

    /// Writes a number or boolean.
    fn basic(&mut self, code: u8, json: &mut String) -> Result<(), DecodeError> {
        match code {
            b'y' => {
                let [byte] = self.take()?;
                push_number(byte, json);
            }
            b'b' => match self.u32()? {
                0 => json.push_str("false"),
                1 => json.push_str("true"),
                other => return Err(DecodeError::BadBool(other)),
            },
            b'n' => push_number(self.u16()?.cast_signed(), json),
            b'q' => push_number(self.u16()?, json),
            b'i' => push_number(self.u32()?.cast_signed(), json),
            b'u' => push_number(self.u32()?, json),
            b'x' => push_number(self.u64()?.cast_signed(), json),
            b't' => push_number(self.u64()?, json),
            b'd' => push_double(f64::from_bits(self.u64()?), json),
            other => return Err(SignatureError::Unexpected(other).into()),
        }
        Ok(())
    }

    fn variant(&mut self, depth: usize, json: &mut String) -> Result<(), DecodeError> {
        let signature = self.variant_signature()?;
        json.push_str("{\"t\":");
        push_json_string(signature, json);
        json.push_str(",\"v\":");
        self.value(signature.as_bytes(), depth, json)?;
        json.push('}');
        Ok(())
    }

    fn variant_signature(&mut self) -> Result<&'a str, DecodeError> {
        let signature = self.signature()?;
        signature::validate_single(signature.as_bytes())?;
        Ok(signature)
    }

    fn structure(
        &mut self,
        fields: &[u8],
        depth: usize,
        json: &mut String,
    ) -> Result<(), DecodeError> {
        self.align(8)?;
        let mut rest = fields;
        let mut separator = '[';
        while rest.first().is_some_and(|&code| code != b')') {
            let (first, after) = signature::split(rest)?;
            json.push(separator);
            separator = ',';
            self.value(first, depth, json)?;
            rest = after;
        }
        json.push(']');
        Ok(())
    }

    fn array_value(
        &mut self,
        element: &[u8],
        depth: usize,
        json: &mut String,
    ) -> Result<(), DecodeError> {
        match element.split_first() {
            Some((b'y', _)) => {
                let end = self.array_end(b'y')?;
                let bytes = self.bytes(end - self.at)?;
                json.push('"');
                STANDARD.encode_string(bytes, json);
                json.push('"');
                Ok(())
            }
            Some((b'{', entry)) => self.dictionary(entry, depth, json),
            Some((&first, _)) => {
                json.push('[');
                let empty = json.len();
                self.array(first, |reader| {
                    if json.len() > empty {
                        json.push(',');
                    }
                    reader.value(element, depth, json)
                })?;
                json.push(']');
                Ok(())
            }
            None => Err(SignatureError::Incomplete.into()),
        }
    }

    fn dictionary(
        &mut self,
        entry: &[u8],
        depth: usize,
        json: &mut String,
    ) -> Result<(), DecodeError> {
        let (key, value) = signature::split(entry)?;
        let (value, _brace) = signature::split(value)?;
        let code = *key.first().ok_or(SignatureError::Incomplete)?;
        let depth = deeper(depth)?;
        json.push('{');
        let empty = json.len();
        self.array(b'{', |reader| {
            if json.len() > empty {
                json.push(',');
            }
            match code {
                b's' | b'o' => push_json_string(reader.string()?, json),
                b'g' => push_json_string(reader.signature()?, json),
                // A number or boolean as JSON text needs no escapes.
                b'h' => {
                    let _ = write!(json, "\"{}\"", reader.u32()?);
                }
                _ => {
                    json.push('"');
                    reader.basic(code, json)?;
                    json.push('"');
                }
            }
            json.push(':');
            reader.value(value, depth, json)
        })?;
        json.push('}');
        Ok(())
    }

    /// Reads the length of an array and goes to its first element; returns where it ends.
    fn array_end(&mut self, first: u8) -> Result<usize, DecodeError> {
        let length = self.u32()? as usize;
        self.align(signature::alignment(first))?;
        if length > MAX_ARRAY {
            return Err(DecodeError::BadArray);
        }
        let end = self.at + length;
        if end > self.bytes.len() { Err(DecodeError::CutOff) } else { Ok(end) }
    }

    fn signature(&mut self) -> Result<&'a str, DecodeError> {
        let [length] = self.take()?;
        let text = self.text(length.into())?;
        signature::validate(text)?;
        Ok(text)
    }

    /// Reads `length` bytes of text and the zero byte after them.
    fn text(&mut self, length: usize) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(length)?;
        if self.take()? != [0] || bytes.contains(&0) {
            return Err(DecodeError::BadString);
        }
        std::str::from_utf8(bytes).map_err(|_| DecodeError::BadString)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.align(2)?;
        let bytes = self.take()?;
        Ok(match self.endian {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        })
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.align(4)?;
        let bytes = self.take()?;
        Ok(match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.align(8)?;
        let bytes = self.take()?;
        Ok(match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    fn align(&mut self, alignment: usize) -> Result<(), DecodeError> {
        let aligned = self.at.next_multiple_of(alignment);
        if aligned > self.bytes.len() {
            return Err(DecodeError::CutOff);
        }
        self.at = aligned;
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let bytes = rest.get(..length).ok_or(DecodeError::CutOff)?;
        self.at += length;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let bytes = rest.first_chunk().ok_or(DecodeError::CutOff)?;
        self.at += N;
        Ok(*bytes)
    }
}

fn deeper(depth: usize) -> Result<usize, DecodeError> {
    if depth == MAX_DEPTH { Err(DecodeError::TooDeep) } else { Ok(depth + 1) }
}

fn push_number(number: impl std::fmt::Display, json: &mut String) {
    // Writing into a String cannot fail.
    let _ = write!(json, "{number}");
}

/// JSON has no NaN and no infinity: they are null.
fn push_double(number: f64, json: &mut String) {
    if number.is_finite() {
        let _ = write!(json, "{number:?}");
    } else {
        json.push_str("null");
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Writes `text` as a JSON string.
pub fn push_json_string(text: &str, json: &mut String) {
    json.push('"');
    // Hardly any text needs an escape. Whole blocks are looked at without a branch, which the compiler vectorizes.
    let is_special = |byte: u8| u8::from(byte < 0x20 || byte == b'"' || byte == b'\\');
    let is_plain = text.as_bytes().chunks(BLOCK).all(|block| {
        block
            .iter()
            .fold(0, |found, &byte| found | is_special(byte))
            == 0
    });
    if is_plain {
        json.push_str(text);
        json.push('"');
        return;
    }
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        json.push_str(text.get(written..at).unwrap_or_default());
        written = at + 1;
        match byte {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\r' => json.push_str("\\r"),
            b'\t' => json.push_str("\\t"),
            control => {
                let _ = write!(json, "\\u{control:04x}");
            }
        }
    }
    json.push_str(text.get(written..).unwrap_or_default());
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(signature: &str, bytes: &[u8]) -> Result<String, DecodeError> {
        let mut json = String::new();
        body_to_json(signature, bytes, Endian::Little, &[], &mut json)?;
        Ok(json)
    }

    #[test]
    fn bodies_become_the_documented_json() {
        for (signature, bytes, expected) in [
            ("", &b""[..], "[]"),
            ("y", b"\x07", "[7]"),
            ("b", b"\x01\0\0\0", "[true]"),
            ("yu", b"\x07\0\0\0\x01\0\0\0", "[7,1]"),
            ("n", b"\xfe\xff", "[-2]"),
            ("x", b"\xff\xff\xff\xff\xff\xff\xff\x7f", "[9223372036854775807]"),
            ("t", b"\xff\xff\xff\xff\xff\xff\xff\xff", "[18446744073709551615]"),
            ("d", b"\0\0\0\0\0\0\xf8\x3f", "[1.5]"),
            ("d", b"\0\0\0\0\0\0\xf8\x7f", "[null]"),
            ("d", b"\0\0\0\0\0\0\xf0\xff", "[null]"),
            ("s", b"\x04\0\0\0a\"\\\n\0", r#"["a\"\\\n"]"#),
            ("s", b"\x01\0\0\0\x1b\0", "[\"\\u001b\"]"),
            ("g", b"\x02sv\0", r#"["sv"]"#),
            ("ay", b"\x03\0\0\0abc", r#"["YWJj"]"#),
            ("as", b"\0\0\0\0", "[[]]"),
            ("ax", b"\0\0\0\0\0\0\0\0", "[[]]"),
            ("(yy)", b"\x01\x02", "[[1,2]]"),
            ("v", b"\x01s\0\0\x01\0\0\0a\0", r#"[{"t":"s","v":"a"}]"#),
            ("a{yb}", b"\x08\0\0\0\0\0\0\0\x05\0\0\0\x01\0\0\0", r#"[{"5":true}]"#),
            ("h", b"\x02\0\0\0", "[2]"),
        ] {
            assert_eq!(json(signature, bytes).as_deref(), Ok(expected), "{signature}");
        }
    }

    #[test]
    fn big_endian_bodies_and_descriptors_are_read() {
        let mut json = String::new();
        let handles = ["{\"internal\":\"1\"}".to_owned()];
        body_to_json("uh", &[0, 0, 0, 1, 0, 0, 0, 0], Endian::Big, &handles, &mut json).unwrap();
        assert_eq!(json, "[1,{\"internal\":\"1\"}]");
    }

    #[test]
    fn the_signature_of_a_body_is_read_as_it_stands_in_the_header() {
        let header = b"l\x01\0\x01\0\0\0\0\x01\0\0\0\x1a\0\0\0\
            \x01\x01o\0\x01\0\0\0/\0\0\0\0\0\0\0\
            \x08\x01g\0\x04(yy)\0";
        assert_eq!(body_signature(header, Endian::Little), Ok("(yy)"));
        assert_eq!(body_signature(b"l\x01", Endian::Little), Err(DecodeError::CutOff));
    }

    #[test]
    fn damaged_bodies_are_refused() {
        for (signature, bytes, expected) in [
            ("u", &b"\0\0\0"[..], DecodeError::CutOff),
            ("u", b"\0\0\0\0\0", DecodeError::Excess),
            ("s", b"\xff\xff\xff\xff", DecodeError::CutOff),
            ("s", b"\x01\0\0\0aa", DecodeError::BadString),
            ("s", b"\x01\0\0\0\xff\0", DecodeError::BadString),
            ("s", b"\x01\0\0\0\0\0", DecodeError::BadString),
            ("b", b"\x02\0\0\0", DecodeError::BadBool(2)),
            ("au", b"\x03\0\0\0\0\0\0\0", DecodeError::BadArray),
            ("au", b"\x00\0\0\x05", DecodeError::BadArray),
            ("v", b"\x02ss\0", DecodeError::Signature(SignatureError::NotSingle)),
            ("v", b"\x00\0", DecodeError::Signature(SignatureError::Incomplete)),
        ] {
            assert_eq!(json(signature, bytes), Err(expected), "{signature} {bytes:x?}");
        }
    }

    #[test]
    fn variants_within_variants_end_at_the_depth_limit() {
        let nested =
            |levels: usize| [b"\x01v\0".repeat(levels - 1), b"\x01y\0\x07".to_vec()].concat();
        assert!(json("v", &nested(MAX_DEPTH)).is_ok());
        assert_eq!(json("v", &nested(MAX_DEPTH + 1)), Err(DecodeError::TooDeep));
        assert_eq!(json("v", &nested(1 << 20)), Err(DecodeError::TooDeep));
    }

    proptest! {
        #[test]
        fn any_bytes_under_any_signature_never_panic(
            signature in "[ybnqiuxtdsogvh(){}a]{0,12}",
            bytes in prop::collection::vec(any::<u8>(), 0..256),
        ) {
            let _refused_or_not = json(&signature, &bytes);
        }

        #[test]
        fn small_lengths_under_valid_signatures_never_panic_and_give_json(
            signature in prop::sample::select(vec!["a{sv}", "aas", "a(yv)", "av", "a{oa{sa{sv}}}", "(sa{ux})ay"]),
            bytes in prop::collection::vec(0_u8..24, 0..256),
        ) {
            if let Ok(json) = json(signature, &bytes) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            }
        }

        #[test]
        fn strings_are_escaped_so_that_they_come_back(text in any::<String>()) {
            let mut json = String::new();
            push_json_string(&text, &mut json);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
