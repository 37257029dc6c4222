//! The list of channel kinds that this bridge serves itself.

mod dbus;
mod echo;
mod fsinfo;
mod fslist;
mod fsread;
mod fsreplace;
mod fswatch;
mod host_login;
mod http;
mod info;
mod metrics;
mod null;
mod packages;
mod packet;
mod session_control;
mod stream;
mod websocket;

use std::pin::Pin;

use protocol::json::Fields;
use serde_json::Value;

use crate::channel::{Channel, Closed};
use crate::port::Port;

pub use self::http::HttpConnection;

/// A channel at work.
pub type Serving = Pin<Box<dyn Future<Output = Result<Fields, Closed>> + Send>>;

type Start = fn(Fields, Port) -> Serving;

/// Every kind, and how it is started.
const KINDS: &[(&str, Start)] = &[
    kind::<dbus::Dbus>(),
    kind::<echo::Echo>(),
    kind::<fsinfo::FileInfo>(),
    kind::<fslist::FileList>(),
    kind::<fsread::FileRead>(),
    kind::<fsreplace::FileReplace>(),
    kind::<fswatch::FileWatch>(),
    kind::<host_login::HostLogin>(),
    kind::<http::Http>(),
    kind::<info::Info>(),
    kind::<metrics::Metrics>(),
    kind::<null::Null>(),
    kind::<packages::PackageFiles>(),
    kind::<packet::Packet>(),
    kind::<session_control::SessionControl>(),
    kind::<stream::Stream>(),
    kind::<websocket::WebSocket>(),
];

/// Starts a channel of `kind`; `None` when there is no such kind.
pub fn start(kind: &str, options: Fields, port: Port) -> Option<Serving> {
    let (_, start) = KINDS.iter().find(|(name, _)| *name == kind)?;
    Some(start(options, port))
}

/// The names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

const fn kind<C: Channel + 'static>() -> (&'static str, Start) {
    (C::KIND, start_kind::<C>)
}

fn start_kind<C: Channel + 'static>(options: Fields, port: Port) -> Serving {
    match serde_json::from_value::<C::Options>(Value::Object(options)) {
        Ok(options) => Box::pin(C::run(options, port)),
        Err(error) => {
            let message = format!("options of {}: {error}", C::KIND);
            Box::pin(std::future::ready(Err(Closed::protocol_error(message))))
        }
    }
}
