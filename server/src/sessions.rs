//! Sessions: not built yet.

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::admission::{Application, Transport};
use crate::config::Config;

/// Who is logged in.
#[derive(Debug)]
pub(crate) struct Sessions {}

/// One login.
#[derive(Debug)]
pub(crate) struct Session {}

impl Sessions {
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }

    /// The living session that the request's cookie names.
    pub(crate) fn find(
        &self,
        _headers: &HeaderMap,
        _transport: Transport,
        _application: &Application,
    ) -> Option<Arc<Session>> {
        None
    }

    /// Ends every session: the server stops.
    pub(crate) async fn end_all(&self) {}
}
