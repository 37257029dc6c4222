//! `stream`: the bytes of a program, a terminal, or a socket.
//!
//! The most used channel of all. With `spawn` it starts a program as the user (on a terminal of its own with
//! `pty`), with `unix` or `port` it connects a socket, and with
//! `internal` it takes a descriptor that came in a D-Bus reply. What the page sends goes in; what comes out goes to the page,
//! and both sides wait for the slower one. Text: docs/protocol.md, "stream".

mod descriptor;
mod program;
mod socket;
mod terminal;

use std::convert::Infallible;

use protocol::json::Fields;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::channel::{Channel, Closed};
use crate::port::{Incoming, Port, Receiver, Sender};

/// The kind.
#[derive(Debug)]
pub(super) struct Stream;

/// What is connected, and how.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Options {
    spawn: Option<Vec<String>>,
    directory: Option<String>,
    #[serde(default)]
    environ: Vec<String>,
    #[serde(default)]
    err: StandardError,
    #[serde(default)]
    pty: bool,
    window: Option<Window>,
    unix: Option<String>,
    port: Option<u16>,
    address: Option<String>,
    internal: Option<String>,
}

/// What becomes of a program's standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StandardError {
    /// Its beginning stands in the `message` of `close`.
    #[default]
    Message,
    /// It comes with standard output.
    Out,
    /// Nobody sees it.
    Ignore,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Window {
    rows: u16,
    cols: u16,
}

impl Channel for Stream {
    const KIND: &'static str = "stream";
    type Options = Options;

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
        let Options { spawn, unix, port: number, internal, .. } = &options;
        match (spawn, unix, number, internal) {
            (Some(_), None, None, None) if options.pty => terminal::run(options, port).await,
            (Some(_), None, None, None) => program::run(options, port).await,
            (None, Some(path), None, None) => socket::run_unix(path, port).await,
            (None, None, Some(number), None) => {
                socket::run_tcp(options.address.as_deref(), *number, port).await
            }
            (None, None, None, Some(id)) => descriptor::run(id, port).await,
            _ => {
                let message = "exactly one of spawn, unix, port and internal is needed";
                Err(Closed::protocol_error(message))
            }
        }
    }
}

/// Bytes read at once.
const READ_SIZE: usize = protocol::limits::DATA_BLOCK;

/// Sends all of `reader` to the page; an error is its end too.
async fn send_all(reader: &mut (impl AsyncRead + Unpin), sender: &mut Sender) {
    let mut block = Vec::with_capacity(READ_SIZE);
    loop {
        sender.room().await;
        block.clear();
        match reader.read_buf(&mut block).await {
            Ok(0) | Err(_) => return,
            Ok(_) => sender.send(&block).await,
        }
    }
}

/// Writes all that the page sends to `writer`, and closes it when the page is done. Options go to `changed`. It never
/// ends, also when nobody reads any more: the other direction decides when the channel is over.
async fn write_all(
    writer: impl AsyncWrite + Unpin,
    receiver: &mut Receiver,
    mut changed: impl FnMut(&Fields),
) -> Infallible {
    let mut writer = Some(writer);
    while let Some(incoming) = receiver.receive().await {
        match incoming {
            Incoming::Data(data) => {
                if let Some(open) = &mut writer
                    && open.write_all(&data).await.is_err()
                {
                    writer = None;
                }
                receiver.used(data.len());
            }
            Incoming::Done => {
                if let Some(mut open) = writer.take() {
                    let _nobody_may_read = open.shutdown().await;
                }
            }
            Incoming::Options(options) => changed(&options),
            Incoming::Other { .. } => {}
        }
    }
    std::future::pending().await
}
