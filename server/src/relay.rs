//! WebSocket to bridge: frames pass unopened.
//!
//! `link` is the side of the bridge, `socket` that of the browser, `mailbox` what stands between them. Callers:
//! `routes` for the sockets, `sessions` for the link, `external` for channels without a page. Never here: a payload
//! that is looked into, or a password.

pub(crate) mod handshake;
pub(crate) mod head;
pub(crate) mod link;
pub(crate) mod mailbox;
pub(crate) mod pace;
pub(crate) mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use protocol::problem::Problem;

use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};
use crate::config::RelayLimits;
use crate::pages::ErrorPage;

/// `GET /cockpit[+APP]/socket` and `/socket`, to be upgraded.
pub(crate) async fn socket(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    _own: OwnOrigin,
    request: Request,
) -> Response {
    let (mut parts, _no_body) = request.into_parts();
    let upgrade = match upgrade(&mut parts, &server.config.relay).await {
        Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
        Err(refusal) => return refusal,
    };
    let session = server
        .sessions
        .find(&parts.headers, connection.transport, &application);
    let Some(session) = session else {
        let Some(place) = Place::take(server.config.relay.sockets_without_session) else {
            return server.pages.error_page(&ErrorPage::Busy(1));
        };
        return upgrade.on_upgrade(move |browser| async move {
            let _held = place;
            socket::refuse(browser, Problem::NoSession).await;
        });
    };
    upgrade.on_upgrade(move |browser| async move {
        socket::Socket::serve(browser, session, &server.config).await;
    })
}

/// The request's upgrade with our buffers and limits, or the answer to a request that asks for none.
pub(crate) async fn upgrade(
    parts: &mut Parts,
    limits: &RelayLimits,
) -> Result<WebSocketUpgrade, Response> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(axum::response::IntoResponse::into_response)?;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_frame_size(limits.message)
        .max_message_size(limits.message))
}

/// One of the places for sockets without a session (T3), free again when dropped.
struct Place;

static PLACES_TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take(places: usize) -> Option<Self> {
        let one_more = |taken| (taken < places).then_some(taken + 1);
        PLACES_TAKEN
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
            .then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES_TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The subprotocol of a page's socket.
const SUBPROTOCOL: &str = "cockpit1";

/// Bytes taken from a browser at once: one TLS record.
const READ_BUFFER: usize = 16 << 10;

/// Bytes that are gathered before they are written; allocated as they are used. Some TLS records for one call.
const WRITE_BUFFER: usize = 64 << 10;
