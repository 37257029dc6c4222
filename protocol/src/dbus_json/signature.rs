//! Signatures: what types a body, a variant or a method has.
//!
//! A signature is text of at most 255 bytes; it is never turned into a tree, but split into its complete types as
//! the walk goes on. Source: D-Bus specification, "Valid Signatures".

/// Longest signature in bytes, from the specification.
const MAX_LENGTH: usize = 255;

/// Deepest nesting of arrays, and of structures, in one signature, from the specification.
const MAX_NESTING: u8 = 32;

/// Why a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// More than 255 bytes.
    #[error("signature is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// It ends where a type must stand.
    #[error("signature ends within a type")]
    Incomplete,
    /// A character that is no type, or not at this place.
    #[error("signature has an unexpected {:?}", char::from(*.0))]
    Unexpected(u8),
    /// More than 32 arrays or 32 structures within each other.
    #[error("signature nests deeper than {MAX_NESTING} levels")]
    TooDeep,
    /// More or less than one complete type where exactly one is needed.
    #[error("exactly one complete type is needed")]
    NotSingle,
}

/// Checks that `signature` is a row of complete types; it may be empty.
///
/// # Errors
///
/// [`SignatureError`] for the first mistake.
pub fn validate(signature: &str) -> Result<(), SignatureError> {
    let mut rest = checked_length(signature.as_bytes())?;
    while !rest.is_empty() {
        (_, rest) = split(rest)?;
    }
    Ok(())
}

/// The complete types of `signature`, in order.
///
/// # Errors
///
/// As [`validate`].
pub fn single_types(signature: &str) -> Result<Vec<&str>, SignatureError> {
    let mut rest = checked_length(signature.as_bytes())?;
    let mut types = Vec::new();
    while !rest.is_empty() {
        let (first, after) = split(rest)?;
        types.push(std::str::from_utf8(first).map_err(|_| SignatureError::Incomplete)?);
        rest = after;
    }
    Ok(types)
}

/// Checks that `signature` is exactly one complete type.
pub(super) fn validate_single(signature: &[u8]) -> Result<(), SignatureError> {
    match split(checked_length(signature)?)? {
        (_, []) => Ok(()),
        (_, _) => Err(SignatureError::NotSingle),
    }
}

/// The first complete type of `signature`, and what follows it.
pub(super) fn split(signature: &[u8]) -> Result<(&[u8], &[u8]), SignatureError> {
    // Nearly all types are one character: no recursion for them.
    let length = match signature {
        [code, ..] if is_basic(*code) || *code == b'v' => 1,
        _ => length_of_first(signature, 0, 0)?,
    };
    signature
        .split_at_checked(length)
        .ok_or(SignatureError::Incomplete)
}

/// Alignment in bytes of values whose type begins with `code`.
pub(super) fn alignment(code: u8) -> usize {
    match code {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b's' | b'o' | b'a' | b'h' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

/// Whether `text` is an object path: `/`, or elements of letters, digits and `_`, each after a `/`.
pub fn is_object_path(text: &str) -> bool {
    text == "/"
        || text.strip_prefix('/').is_some_and(|elements| {
            elements.split('/').all(|element| {
                !element.is_empty()
                    && element
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        })
}

fn checked_length(signature: &[u8]) -> Result<&[u8], SignatureError> {
    if signature.len() > MAX_LENGTH { Err(SignatureError::TooLong) } else { Ok(signature) }
}

fn is_basic(code: u8) -> bool {
    matches!(
        code,
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'h'
    )
}

fn length_of_first(signature: &[u8], arrays: u8, structures: u8) -> Result<usize, SignatureError> {
    let (&code, rest) = signature.split_first().ok_or(SignatureError::Incomplete)?;
    match code {
        b'v' => Ok(1),
        b'a' if arrays == MAX_NESTING => Err(SignatureError::TooDeep),
        b'a' => match rest.strip_prefix(b"{") {
            Some(entry) => Ok(2 + length_of_entry(entry, arrays + 1, structures)?),
            None => Ok(1 + length_of_first(rest, arrays + 1, structures)?),
        },
        b'(' if structures == MAX_NESTING => Err(SignatureError::TooDeep),
        b'(' => Ok(1 + length_of_fields(rest, arrays, structures + 1)?),
        basic if is_basic(basic) => Ok(1),
        other => Err(SignatureError::Unexpected(other)),
    }
}

/// Length of key, value and the closing brace.
fn length_of_entry(entry: &[u8], arrays: u8, structures: u8) -> Result<usize, SignatureError> {
    let (&key, value) = entry.split_first().ok_or(SignatureError::Incomplete)?;
    if !is_basic(key) {
        return Err(SignatureError::Unexpected(key));
    }
    if structures == MAX_NESTING {
        return Err(SignatureError::TooDeep);
    }
    let length = length_of_first(value, arrays, structures + 1)?;
    match value.get(length) {
        Some(b'}') => Ok(length + 2),
        Some(&other) => Err(SignatureError::Unexpected(other)),
        None => Err(SignatureError::Incomplete),
    }
}

/// Length of one field or more, and the closing parenthesis.
fn length_of_fields(fields: &[u8], arrays: u8, structures: u8) -> Result<usize, SignatureError> {
    let mut at = 0;
    loop {
        let rest = fields.get(at..).unwrap_or_default();
        match rest.first() {
            None => return Err(SignatureError::Incomplete),
            Some(b')') if at > 0 => return Ok(at + 1),
            Some(_) => at += length_of_first(rest, arrays, structures)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_split_into_complete_types() {
        assert_eq!(single_types("sa{sv}(iay)aas"), Ok(vec!["s", "a{sv}", "(iay)", "aas"]));
        assert_eq!(single_types(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for wrong in
            ["a", "(", "()", "(s", "{sv}", "a{vs}", "a{s}", "a{sss}", "z", "s)", "ä", "a{sv"]
        {
            assert!(validate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(validate(&"s".repeat(256)), Err(SignatureError::TooLong));
        assert_eq!(validate(&format!("{}s", "a".repeat(33))), Err(SignatureError::TooDeep));
        assert!(validate(&format!("{}s", "a".repeat(32))).is_ok());
        assert_eq!(
            validate(&format!("{}s{}", "(".repeat(33), ")".repeat(33))),
            Err(SignatureError::TooDeep)
        );
        assert_eq!(validate_single(b"ss"), Err(SignatureError::NotSingle));
    }

    #[test]
    fn object_paths_are_told_from_other_texts() {
        for path in ["/", "/a", "/a_1/B"] {
            assert!(is_object_path(path), "{path}");
        }
        for other in ["", "a", "//", "/a/", "/a//b", "/a-b", "/ä"] {
            assert!(!is_object_path(other), "{other}");
        }
    }
}
