//! A bridge on the other machine: found there, or sent along, and started.
//!
//! One program is run there, `sh -s`, always the same; its script (`start.sh`) and all values come by standard input, and
//! the bridge takes the shell's place, so that everything goes over one channel. What is sent is checked by its digest
//! before it is sent, when it has arrived, and each time before it is run (security rules T40, T46). Called by `reach`.

use std::fmt::Write as _;
use std::time::Duration;

use bridge::link::Link;
use bytes::Bytes;
use russh::client::Handle;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, Says};
use super::sent::{Architecture, SentBridge};
use super::text::cleaned;

/// For the machine to open a channel.
pub(super) const CHANNEL_TIME: Duration = Duration::from_secs(10);

/// For the shell there to say what it does, and for what was sent to be written.
const START_TIME: Duration = Duration::from_secs(20);

/// For what is sent to arrive: 3 MB over a slow line.
const SEND_TIME: Duration = Duration::from_mins(2);

/// What runs there.
const COMMAND: &str = "sh -s";

const SCRIPT: &str = include_str!("start.sh");

/// What came of it.
pub(super) enum Started {
    Bridge(Link),
    None(String),
}

/// Starts a bridge; `keep` lives as long as the link to it.
pub(super) async fn start(
    handle: &Handle<Client>,
    host: &str,
    sent: &[SentBridge],
    keep: impl Send + 'static,
) -> Result<Started, Failure> {
    let late = |stage, limit| Failure::TimedOut { host: host.to_owned(), stage, limit };
    let broke = |why: String| Failure::Broke { host: host.to_owned(), why };
    let channel = timeout(CHANNEL_TIME, handle.channel_open_session())
        .await
        .map_err(|_| late("open a channel", CHANNEL_TIME))?
        .map_err(|error| broke(cleaned(&error.to_string())))?;
    let (reading, writing) = channel.split();
    let script = format!("{}{SCRIPT}", assignments(sent));
    let asking = async {
        writing.exec(false, COMMAND).await?;
        writing.data_bytes(Bytes::from(script)).await
    };
    let asked: Result<(), russh::Error> = timeout(CHANNEL_TIME, asking)
        .await
        .map_err(|_| late("take a command", CHANNEL_TIME))?;
    asked.map_err(|error| broke(cleaned(&error.to_string())))?;
    let mut output = Output::new(reading);
    let mut input = writing.make_writer();
    loop {
        let says = timeout(START_TIME, output.says())
            .await
            .map_err(|_| late("start a bridge", START_TIME))?;
        match says {
            Some(Says::Run) => {
                return Ok(Started::Bridge(Link::new(output.keeping((keep, writing)), input)));
            }
            Some(Says::None(tried)) => return Ok(Started::None(tried)),
            Some(Says::Send(wanted)) => {
                let bridge = sent.iter().find(|one| one.architecture.name() == wanted);
                let Some(bridge) = bridge else {
                    return Ok(Started::None(format!(
                        "it asks for a bridge for {}",
                        cleaned(&wanted)
                    )));
                };
                let sending = async {
                    let mut content = bridge.open().await?;
                    tokio::io::copy(&mut content, &mut input).await?;
                    input.flush().await
                };
                timeout(SEND_TIME, sending)
                    .await
                    .map_err(|_| late("take a bridge", SEND_TIME))?
                    .map_err(|error| broke(format!("while a bridge was sent: {error}")))?;
            }
            None => return Ok(Started::None(output.last_words())),
        }
    }
}

/// The values that the script needs: for each architecture the digest and size of its bridge. Digits and letters alone.
fn assignments(sent: &[SentBridge]) -> String {
    let mut lines = String::from("tried=\n");
    for architecture in Architecture::ALL {
        let value = sent
            .iter()
            .find(|one| one.architecture == architecture)
            .map(|one| format!("{} {}", one.digest(), one.size))
            .unwrap_or_default();
        let _to_a_text = writeln!(lines, "{}='{value}'", architecture.name());
    }
    lines
}
