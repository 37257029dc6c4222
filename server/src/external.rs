//! External channels and package files: not built yet.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Server;
use crate::admission::{Application, Connection};

/// `GET /cockpit[+APP]/channel/TOKEN?BASE64`, to be upgraded or not.
pub(crate) async fn channel(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// `GET /cockpit[+APP]/@HOST/PKG/FILE`, `/cockpit[+APP]/@HOST/manifests.{json,js}`.
pub(crate) async fn package(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
