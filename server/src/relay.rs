//! WebSocket to bridge: not built yet.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};

/// `GET /cockpit[+APP]/socket` and `/socket`, to be upgraded.
pub(crate) async fn socket(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _own: OwnOrigin,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
