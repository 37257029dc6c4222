//! Terminals over plain SSH, for machines on which no bridge can run: so that somebody can get in and mend that.
//!
//! A `stream` channel with `pty` gets the user's login shell there; what program the page named does not count. Options:
//! docs/protocol.md, "stream". Made by `reach`, served through `bridge::peer::remote::Terminals`.

use std::pin::Pin;
use std::sync::Arc;

use bridge::channel::Closed;
use bridge::channels::Serving;
use bridge::peer::remote::Terminals;
use bridge::port::{Incoming, Port, Receiver};
use protocol::json::Fields;
use protocol::problem::Problem;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelWriteHalf, Sig};
use serde::Deserialize;
use tokio::time::timeout;

use super::Session;
use super::text::cleaned;
use super::there::CHANNEL_TIME;

/// What terminals are called there.
const TERMINAL: &str = "xterm-256color";

/// A machine that has terminals and nothing else.
#[derive(Debug)]
pub(super) struct Shells {
    pub(super) session: Arc<Session>,
    pub(super) no_bridge: Closed,
}

/// Options of the channel.
#[derive(Debug, Deserialize)]
struct Options {
    window: Option<Window>,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Window {
    rows: u16,
    cols: u16,
}

impl Terminals for Shells {
    fn no_bridge(&self) -> Closed {
        self.no_bridge.clone()
    }

    fn open(&self, options: Fields, port: Port) -> Serving {
        Box::pin(run(Arc::clone(&self.session), options, port))
    }

    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let seen = Arc::clone(&self.session.seen);
        Box::pin(async move { seen.ended().await })
    }
}

async fn run(session: Arc<Session>, options: Fields, port: Port) -> Result<Fields, Closed> {
    let options: Options = serde_json::from_value(options.into())
        .map_err(|error| Closed::protocol_error(format!("options of stream: {error}")))?;
    let window = options.window.unwrap_or(Window { rows: 24, cols: 80 });
    let Port { mut receiver, mut sender, .. } = port;
    let opening = async {
        let channel = session.handle.channel_open_session().await?;
        let (rows, columns) = (u32::from(window.rows), u32::from(window.cols));
        channel
            .request_pty(true, TERMINAL, columns, rows, 0, 0, &[])
            .await?;
        channel.request_shell(true).await?;
        Ok::<_, russh::Error>(channel)
    };
    let channel = timeout(CHANNEL_TIME, opening)
        .await
        .map_err(|_| Closed::new(Problem::Timeout, "the machine opens no terminal"))?
        .map_err(|error| Closed::new(Problem::Terminated, cleaned(&error.to_string())))?;
    let (mut reading, writing) = channel.split();
    sender.ready(Fields::new());
    let mut exit = Fields::new();
    let output = async {
        loop {
            match reading.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    sender.send(&data).await;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    exit.insert("exit-status".to_owned(), exit_status.into());
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    exit.insert("exit-signal".to_owned(), signal(&signal_name).into());
                }
                Some(ChannelMsg::Failure) => return Err("the machine opens no terminal"),
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        Ok(())
    };
    let ended = tokio::select! {
        ended = output => ended,
        () = feed(&mut receiver, &writing) => Ok(()),
    };
    let _it_may_be_closed = writing.close().await;
    ended.map_err(|why| Closed::new(Problem::Terminated, why))?;
    sender.done();
    Ok(exit)
}

/// Writes what the page sends until the channel is gone.
async fn feed(receiver: &mut Receiver, writing: &ChannelWriteHalf<Msg>) {
    while let Some(incoming) = receiver.receive().await {
        let written = match incoming {
            Incoming::Data(data) => {
                let bytes = data.len();
                let written = writing.data_bytes(data).await;
                receiver.used(bytes);
                written
            }
            Incoming::Done => writing.eof().await,
            Incoming::Options(changed) => match changed.get("window").map(Window::deserialize) {
                Some(Ok(window)) => {
                    let (rows, columns) = (u32::from(window.rows), u32::from(window.cols));
                    writing.window_change(columns, rows, 0, 0).await
                }
                Some(Err(_)) | None => Ok(()),
            },
            Incoming::Other { .. } => Ok(()),
        };
        if written.is_err() {
            break;
        }
    }
    // The machine's end decides when it is over.
    std::future::pending::<()>().await;
}

fn signal(name: &Sig) -> String {
    match name {
        Sig::ABRT => "ABRT".to_owned(),
        Sig::ALRM => "ALRM".to_owned(),
        Sig::FPE => "FPE".to_owned(),
        Sig::HUP => "HUP".to_owned(),
        Sig::ILL => "ILL".to_owned(),
        Sig::INT => "INT".to_owned(),
        Sig::KILL => "KILL".to_owned(),
        Sig::PIPE => "PIPE".to_owned(),
        Sig::QUIT => "QUIT".to_owned(),
        Sig::SEGV => "SEGV".to_owned(),
        Sig::TERM => "TERM".to_owned(),
        Sig::USR1 => "USR1".to_owned(),
        Sig::Custom(other) => cleaned(other),
    }
}
