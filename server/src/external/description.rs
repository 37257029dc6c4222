//! What the query of an external channel's address says: the `open` message and how the response looks.
//!
//! It comes from a page, or from whoever made the page follow a link: everything that becomes a header is checked, and
//! the members that name a channel or a command are refused. Caller: [`super::channel`].

use axum::http::{HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use protocol::control::{Control, ControlError, Open};
use protocol::json::{self, Fields, JsonError};
use protocol::limits::MAX_CONTROL;
use serde_json::Value;

use crate::relay::link::Opcode;

/// A channel to open for one request.
#[derive(Debug)]
pub(crate) struct Description {
    /// With a channel id that means nothing.
    pub(crate) open: Open,
    /// Text or bytes: for a channel that becomes a WebSocket.
    pub(crate) opcode: Opcode,
    /// Headers of the response: content type, disposition and encoding.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Subprotocols of the WebSocket, the first one that the browser offers counts.
    pub(crate) protocols: Vec<String>,
}

/// Why a query is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescriptionError {
    /// Not base64.
    #[error("the query is not base64")]
    Base64,
    /// Longer than a control message.
    #[error("the query is too long")]
    TooLong,
    /// Not a JSON object within limits.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It names a channel or a command.
    #[error("member {0:?} is not allowed")]
    Forbidden(&'static str),
    /// Not an `open` message.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// `external` is not what it must be.
    #[error("bad member {0:?} of external")]
    External(String),
}

/// Browsers' `btoa` writes the padding, other clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Description {
    /// Reads the query of a channel address.
    ///
    /// # Errors
    ///
    /// [`DescriptionError`].
    pub(crate) fn parse(query: &str) -> Result<Self, DescriptionError> {
        if query.len() > MAX_CONTROL {
            return Err(DescriptionError::TooLong);
        }
        // `encodeURIComponent` may have gone over it: of base64 it changes `+`, `/` and `=`.
        let query = query
            .replace("%2B", "+")
            .replace("%2F", "/")
            .replace("%3D", "=");
        let bytes = BASE64.decode(query).map_err(|_| DescriptionError::Base64)?;
        Self::from_fields(json::parse_object(&bytes)?)
    }

    fn from_fields(mut fields: Fields) -> Result<Self, DescriptionError> {
        for name in ["channel", "command"] {
            if fields.contains_key(name) {
                return Err(DescriptionError::Forbidden(name));
            }
        }
        let (headers, protocols) = match fields.remove("external") {
            None | Some(Value::Null) => (Vec::new(), Vec::new()),
            Some(Value::Object(external)) => external_members(external)?,
            Some(other) => return Err(DescriptionError::External(other.to_string())),
        };
        let opcode = match fields.get("binary") {
            Some(Value::Bool(true)) => Opcode::Binary,
            Some(Value::String(kind)) if kind == "raw" => Opcode::Binary,
            Some(_) => Opcode::Text,
            // Bytes unless the page says otherwise.
            None => {
                fields.insert("binary".to_owned(), "raw".into());
                Opcode::Binary
            }
        };
        fields.insert("command".to_owned(), "open".into());
        fields.insert("channel".to_owned(), "0:0".into());
        let message = Value::Object(fields).to_string();
        let Control::Open(open) = Control::parse(message.as_bytes())? else {
            return Err(DescriptionError::Forbidden("command"));
        };
        Ok(Self { open, opcode, headers, protocols })
    }
}

type Members = (Vec<(HeaderName, HeaderValue)>, Vec<String>);

fn external_members(external: Fields) -> Result<Members, DescriptionError> {
    let mut headers = Vec::new();
    let mut protocols = Vec::new();
    for (name, value) in external {
        let header = match (name.as_str(), value) {
            ("content-type", Value::String(text)) => (header::CONTENT_TYPE, text),
            ("content-disposition", Value::String(text)) => (header::CONTENT_DISPOSITION, text),
            ("content-encoding", Value::String(text)) => (header::CONTENT_ENCODING, text),
            ("protocols", Value::Array(names)) => {
                protocols = names
                    .into_iter()
                    .map(|name| match name.as_str() {
                        Some(name) => Ok(name.to_owned()),
                        None => Err(DescriptionError::External(name.to_string())),
                    })
                    .collect::<Result<_, _>>()?;
                continue;
            }
            ("content-type" | "content-disposition" | "content-encoding" | "protocols", _) => {
                return Err(DescriptionError::External(name));
            }
            // What a newer page says is ignored.
            (_, _) => continue,
        };
        let value =
            HeaderValue::try_from(header.1).map_err(|_| DescriptionError::External(name))?;
        headers.push((header.0, value));
    }
    Ok((headers, protocols))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use protocol::control::Encoding;

    use super::*;

    fn parse(json: &str) -> Result<Description, DescriptionError> {
        Description::parse(&STANDARD.encode(json))
    }

    #[test]
    fn data_are_bytes_unless_the_page_says_text() {
        let description = parse(r#"{"payload":"fsread1","path":"/x"}"#).unwrap();
        assert_eq!(description.open.encoding, Encoding::Binary);
        assert_eq!(description.opcode, Opcode::Binary);

        let description = parse(r#"{"payload":"fsread1","binary":false}"#).unwrap();
        assert_eq!(description.open.encoding, Encoding::Text);
    }

    #[test]
    fn external_members_become_headers_and_do_not_reach_the_bridge() {
        let description = parse(
            r#"{"payload":"fsread1","path":"/x","external":{"content-type":"text/plain",
                "content-disposition":"attachment; filename=\"x\"","protocols":["binary"]}}"#,
        )
        .unwrap();
        assert_eq!(description.headers.len(), 2);
        assert_eq!(description.protocols, ["binary"]);
        assert!(!description.open.options.contains_key("external"));
    }

    #[test]
    fn what_could_split_a_header_or_name_a_channel_is_refused() {
        for json in [
            r#"{"payload":"echo","channel":"1:1"}"#,
            r#"{"payload":"echo","command":"close"}"#,
            r#"{"payload":"echo","external":{"content-type":"a\r\nSet-Cookie: x"}}"#,
            r#"{"payload":"echo","external":{"content-type":7}}"#,
            r#"{"payload":"echo","external":[]}"#,
            r#"{"payload":7}"#,
            "[]",
            "",
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
        assert!(Description::parse("!").is_err());
    }

    proptest! {
        #[test]
        fn received_text_never_panics(text in "\\PC{0,80}") {
            let _refused_or_not = Description::parse(&text);
            let _refused_or_not = parse(&text);
        }
    }
}
