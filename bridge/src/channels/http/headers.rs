//! The head of a service's answer, as the page gets it.
//!
//! Names of headers are the page's to compare, and pages compare them as services usually write them.
//! Caller: `http-stream2`.

use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, RANGE, TRANSFER_ENCODING};
use hyper::{HeaderMap, Response};
use protocol::control::Encoding;
use protocol::json::Fields;

/// Names that are not written with one capital a word.
const UNUSUAL: [(&str, &str); 4] =
    [("etag", "ETag"), ("te", "TE"), ("dnt", "DNT"), ("www-authenticate", "WWW-Authenticate")];

/// Status, reason and headers. What is about the connection stays out; so does, where bytes become text, what counts
/// bytes.
pub(super) fn response<B>(response: &Response<B>, encoding: Encoding) -> Fields {
    let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => response
            .status()
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
    };
    let mut fields = Fields::new();
    fields.insert("status".to_owned(), response.status().as_u16().into());
    fields.insert("reason".to_owned(), reason.into());
    fields.insert("headers".to_owned(), headers(response.headers(), encoding).into());
    fields
}

/// The headers by name; one that comes several times is one list (RFC 9110, 5.3).
pub(in crate::channels) fn headers(all: &HeaderMap, encoding: Encoding) -> Fields {
    let mut headers = Fields::new();
    for name in all.keys().filter(|name| is_for_page(name, encoding)) {
        let values: Vec<_> = all
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(usual_name(name.as_str()), values.join(", ").into());
    }
    headers
}

fn is_for_page(name: &HeaderName, encoding: Encoding) -> bool {
    let of_connection = name == CONNECTION || name == TRANSFER_ENCODING;
    let counts_bytes = name == CONTENT_LENGTH || name == RANGE;
    !of_connection && (!counts_bytes || encoding == Encoding::Binary)
}

fn usual_name(name: &str) -> String {
    if let Some((_, unusual)) = UNUSUAL.iter().find(|(known, _)| *known == name) {
        return (*unusual).to_owned();
    }
    let mut usual = String::with_capacity(name.len());
    let mut begins = true;
    for letter in name.chars() {
        usual.push(if begins { letter.to_ascii_uppercase() } else { letter });
        begins = letter == '-';
    }
    usual
}

#[test]
fn names_are_written_as_usual() {
    for (name, usual) in [
        ("content-type", "Content-Type"),
        ("etag", "ETag"),
        ("x-a-b", "X-A-B"),
        ("www-authenticate", "WWW-Authenticate"),
    ] {
        assert_eq!(usual_name(name), usual);
    }
}
