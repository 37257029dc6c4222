//! `echo`: returns all data until the page is done.
//!
//! Used by pages to see that a host answers, and by the bench. Text: docs/protocol.md, "echo".

use protocol::control::Encoding;
use protocol::json::Fields;
use serde::Deserialize;

use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port};

/// The kind.
#[derive(Debug)]
pub(super) struct Echo;

/// It has none.
#[derive(Debug, Deserialize)]
pub(super) struct Options {}

impl Channel for Echo {
    const KIND: &'static str = "echo";
    type Options = Options;

    async fn run(_options: Options, mut port: Port) -> Result<Fields, Closed> {
        port.ready(Fields::new());
        while let Some(incoming) = port.receive().await {
            match incoming {
                Incoming::Data(data) => {
                    if port.encoding() == Encoding::Text && std::str::from_utf8(&data).is_err() {
                        return Err(Closed::protocol_error("text with bytes that are not UTF-8"));
                    }
                    port.sender.room().await;
                    port.sender.send_now(&data);
                    port.receiver.used(data.len());
                }
                Incoming::Done => break,
                Incoming::Options(_) | Incoming::Other { .. } => {}
            }
        }
        port.done();
        Ok(Fields::new())
    }
}
