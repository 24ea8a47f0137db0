//! The API's description of itself: `/openapi.json`, and `/docs` for people (OpenAPI 3.1).
//!
//! It is made of what serves the requests: the routes of `router.rs`, the shapes that handlers check bodies against, and
//! the words that lists are filtered by. The tests hold every answer that they get against it.

pub(crate) mod answers;
mod document;
mod operation;
mod routes;
mod schema;

use std::sync::LazyLock;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

pub(crate) use operation::{Action, accepted, accepts, ok, status};
pub(crate) use routes::{Needs, Routes};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document::write(&crate::router::described()).to_string().into());

/// `GET /openapi.json`.
pub(crate) async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

/// Every shape of a body that a handler checks, with the operation's name.
#[cfg(test)]
pub(crate) fn shapes() -> Vec<(String, crate::schema::Rule)> {
    let operations = crate::router::described().into_iter().flat_map(|routes| routes.operations);
    let of = |operation: operation::Operation| {
        let about = operation.about;
        let actions = about.actions.iter().filter_map(|action| action.body.map(crate::schema::Rule::Object));
        let shapes = about.bodies.into_iter().map(|(_, shape)| shape).chain(actions);
        shapes.map(|shape| (format!("{} {}", operation.method, operation.path), shape)).collect::<Vec<_>>()
    };
    operations.flat_map(of).collect()
}

/// `GET /docs`: a page that shows the document and asks nobody else for anything.
pub(crate) async fn page() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'";
    let headers = [(CONTENT_TYPE, "text/html; charset=UTF-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, include_str!("page.html"))
}
