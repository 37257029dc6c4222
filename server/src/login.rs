//! Login: not built yet.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};
use crate::config::Config;

/// Logins under way.
#[derive(Debug)]
pub(crate) struct Logins {}

impl Logins {
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }
}

/// `GET /cockpit[+APP]/login`
pub(crate) async fn get(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// `POST /cockpit[+APP]/login`
pub(crate) async fn post(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _own: OwnOrigin,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// `POST /cockpit[+APP]/logout`
pub(crate) async fn logout(
    State(_server): State<Arc<Server>>,
    _connection: Connection,
    _application: Application,
    _own: OwnOrigin,
    _request: Request,
) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
