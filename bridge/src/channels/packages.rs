//! `http-stream1`: files and manifests of packages, for the server.
//!
//! Opened by `serve` for each file of a page, never by a page. The first message is status and headers, the rest is the
//! body. Text: docs/protocol.md, "http-stream1".

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::json::Fields;
use protocol::problem::Problem;
use serde::Deserialize;
use serde_json::json;

use crate::channel::{Channel, Closed};
use crate::file_work::away;
use crate::packages::{Answer, Request};
use crate::port::Port;

/// The kind.
#[derive(Debug)]
pub(super) struct PackageFiles;

/// What the server asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    internal: Option<String>,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Channel for PackageFiles {
    const KIND: &'static str = "http-stream1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        if options.internal.as_deref() != Some("packages") {
            let message = "http-stream1 serves packages only; use http-stream2";
            return Err(Closed::new(Problem::NotSupported, message));
        }
        port.ready(Fields::new());
        let answer = if options.method == "GET" {
            let bridge = Arc::clone(&port.bridge);
            away(move || Ok(bridge.packages().answer(&request(options)))).await?
        } else {
            Answer::error(405, "Method Not Allowed", "Packages can only be read")
        };
        let head = json!({
            "status": answer.status, "reason": answer.reason, "headers": answer.headers,
        });
        port.sender.room().await;
        port.sender.send_now(head.to_string().as_bytes());
        port.send(&answer.body).await;
        port.done();
        Ok(Fields::new())
    }
}

fn request(options: Options) -> Request {
    let header = |wanted: &str| {
        options
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.clone())
    };
    Request {
        accept_language: header("Accept-Language").unwrap_or_default(),
        accept_encoding: header("Accept-Encoding"),
        if_none_match: header("If-None-Match"),
        address: header("X-Forwarded-Proto").zip(header("X-Forwarded-Host")),
        path: options.path,
    }
}
