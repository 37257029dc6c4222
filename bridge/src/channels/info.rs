//! `info`: says once what this bridge can do, who its user is and what system this is.
//!
//! Asked by every page at its start. Text: docs/protocol.md, "info".

use protocol::json::Fields;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::channel::{Channel, Closed};
use crate::port::Port;
use crate::user;

/// The kind.
#[derive(Debug)]
pub(super) struct Info;

/// It has none.
#[derive(Debug, Deserialize)]
pub(super) struct Options {}

impl Channel for Info {
    const KIND: &'static str = "info";
    type Options = Options;

    async fn run(_options: Options, mut port: Port) -> Result<Fields, Closed> {
        port.ready(Fields::new());
        let channels: Map<String, Value> = super::kinds()
            .map(|kind| (kind.to_owned(), json!([])))
            .collect();
        let user = port.bridge.user();
        let answer = json!({
            "channels": channels,
            "os_release": user::os_release(),
            "user": {
                "name": user.name,
                "fullname": user.full_name,
                "uid": user.uid,
                "gid": user.gid,
                "group": user.groups.first(),
                "groups": user.groups,
                "home": user.home,
                "shell": user.shell,
            },
        });
        port.send(answer.to_string().as_bytes()).await;
        port.done();
        Ok(Fields::new())
    }
}
