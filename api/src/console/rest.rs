//! The one way from a page to what it shows and does: the REST routes, asked within this process with the session's token.
//!
//! So that a page can do nothing that its user could not do with a client, and every rule stands in one place.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use openstack::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

use crate::microversion;
use crate::pipeline::{OfPage, RequestId};

/// A list of a thousand things is some megabytes.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// What the REST routes say no with.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// Asks in somebody's name.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) routes: Router,
    pub(super) token: Secret,
    pub(super) request_id: RequestId,
}

impl Rest {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.json(Method::GET, path, None).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, Refusal> {
        self.json(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, Refusal> {
        self.json(Method::PUT, path, Some(body)).await
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T, Refusal> {
        let response = self.send(method, path, body, &[]).await?;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), ANSWER_MAX_BYTES).await.unwrap_or_default();
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                tracing::error!(%error, path, "the console cannot read an answer of the REST routes");
                Refusal::unreadable()
            });
        }
        let fault: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let fault = fault.as_object().and_then(|fault| fault.values().next());
        let message = fault.and_then(|fault| fault["message"].as_str()).unwrap_or("The resource could not be found.");
        Err(Refusal { status, message: message.to_owned() })
    }

    /// The answer as it comes, which may be a stream.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&'static str, &str)],
    ) -> Result<Response, Refusal> {
        let unusable = |_| Refusal { status: StatusCode::UNAUTHORIZED, message: String::new() };
        let mut token = HeaderValue::from_str(self.token.expose()).map_err(unusable)?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v3{path}"))
            .header("x-auth-token", token)
            .header(microversion::HEADER, microversion::MAX.header_value());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).map_err(|_| Refusal::absent())?;
        request.extensions_mut().insert(self.request_id.clone());
        request.extensions_mut().insert(OfPage);
        self.routes.clone().oneshot(request).await.map_err(|never| match never {})
    }
}

impl Refusal {
    pub(super) fn absent() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: "The resource could not be found.".to_owned() }
    }

    fn unreadable() -> Self {
        let message = "The server has erred; its log says why.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }
}
