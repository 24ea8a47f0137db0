//! Discovery and health: what needs no token (contract §1.1).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};

use crate::call::App;
use crate::error::Fault;
use crate::links::base;
use crate::views;

/// `GET /`: 300, several choices, even when there is one.
pub(crate) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    (StatusCode::MULTIPLE_CHOICES, document(&app, &headers)).into_response()
}

/// `GET /v3/`.
pub(crate) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    document(&app, &headers).into_response()
}

fn document(app: &App, headers: &HeaderMap) -> axum::Json<serde_json::Value> {
    axum::Json(views::versions::document(&base(&app.config, headers)))
}

/// `GET /v3`.
pub(crate) async fn redirect(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let location = format!("{}/v3/", base(&app.config, &headers));
    (StatusCode::FOUND, [(LOCATION, location), (CONTENT_TYPE, "text/plain; charset=UTF-8".to_owned())]).into_response()
}

/// `GET /healthcheck`.
pub(crate) async fn health() -> &'static str {
    "OK"
}

/// A path that Cinder routes to nothing: a fault, not a page.
pub(crate) async fn absent() -> Fault {
    Fault::absent()
}
