//! `null`: takes all data and says nothing; it lives as long as its host can be reached.
//!
//! Text: docs/protocol.md, "null".

use protocol::json::Fields;
use serde::Deserialize;

use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port};

/// The kind.
#[derive(Debug)]
pub(super) struct Null;

/// It has none.
#[derive(Debug, Deserialize)]
pub(super) struct Options {}

impl Channel for Null {
    const KIND: &'static str = "null";
    type Options = Options;

    async fn run(_options: Options, mut port: Port) -> Result<Fields, Closed> {
        port.ready(Fields::new());
        while let Some(incoming) = port.receive().await {
            if let Incoming::Data(data) = incoming {
                port.receiver.used(data.len());
            }
        }
        Ok(Fields::new())
    }
}
