//! What every request passes before a handler sees it: request id and trace, limits of time, identity, microversion.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::trace::{TRACEPARENT, continue_from};
use futures::FutureExt;
use http::header::{CONTENT_TYPE, HeaderName, VARY};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use tracing::Instrument;
use uuid::Uuid;

use crate::call::App;
use crate::context::Caller;
use crate::error::{Fault, page_not_found};
use crate::metrics;
use crate::microversion::{self, Microversion};

const REQUEST_ID_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-compute-request-id"), HeaderName::from_static("x-openstack-request-id")];
const GLOBAL_REQUEST_ID: &str = "x-openstack-request-id";

/// `req-<uuid>`: what the answer carries and the log and the job name.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// A request of a versioned route that passed the checks of [`identify`].
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    pub(crate) caller: Caller,
    pub(crate) version: Microversion,
    /// The path was `/v3/{project}/…`.
    pub(crate) project_in_path: bool,
}

/// One of the requests that a page of the console is made of: the page has been counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfPage;

/// Around everything: gives the request its id and its span, and drops an optional `.json` from its path.
pub(crate) async fn enclose(mut request: Request, next: Next) -> Response {
    let request_id = format!("req-{}", Uuid::new_v4());
    let span = tracing::info_span!(
        "request",
        request_id,
        global_request_id = global_request_id(request.headers()),
        method = %request.method(),
        path = request.uri().path(),
    );
    continue_from(&span, request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()));
    request.extensions_mut().insert(RequestId(request_id.clone()));
    if let Some(uri) = without_format(request.uri()) {
        *request.uri_mut() = uri;
    }
    let method = request.method().clone();
    async {
        let started = Instant::now();
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            for name in REQUEST_ID_HEADERS {
                response.headers_mut().insert(name, value.clone());
            }
        }
        metrics::answered(&method, &response, started.elapsed());
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), elapsed_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// Around every versioned route: who calls, which project the path names, which microversion (contract §1.1, §1.2).
pub(crate) async fn identify(
    State(app): State<Arc<App>>,
    path: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(path) = path else { return page_not_found().await };
    let project = path.iter().find(|(name, _)| *name == "project_id").map(|(_, value)| value.to_owned());
    if project.as_ref().is_some_and(|project| !app.project_id.is_match(project)) {
        return page_not_found().await;
    }
    let mut caller = match app.authenticator.caller(request.headers()).await {
        Ok(caller) => caller,
        Err(fault) => return fault.into_response(),
    };
    if request.extensions().get::<OfPage>().is_none()
        && let Err(fault) = within_rate(&app, &caller, request.headers())
    {
        return fault.into_response();
    }
    caller.is_admin = app.policy.is_admin(&caller);
    tracing::debug!(user = caller.user_id, project = caller.project_id, by_service = caller.is_service, "identified");
    let version = match microversion::requested(request.headers()) {
        Ok(version) => version,
        Err(refusal) => return with_version(refusal.fault.into_response(), refusal.repeated),
    };
    let response = if project.as_ref().is_some_and(|project| *project != caller.project_id) {
        Fault::bad_request("Malformed request url").into_response()
    } else {
        let project_in_path = project.is_some();
        request.extensions_mut().insert(Identified { caller, version, project_in_path });
        bounded(Duration::from_secs(app.config.request_timeout_secs), next.run(request)).await
    };
    with_version(response, Some(version))
}

/// Only callers who are known are counted, so that nobody can use up what is another's, or fill the memory with names.
fn within_rate(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<(), Fault> {
    let Some(rates) = &app.rates else { return Ok(()) };
    let who = app.authenticator.token(headers).unwrap_or(&caller.project_id);
    rates.admit(who, Instant::now()).map_err(Fault::too_often)
}

/// Around the routes that only look at the microversion: the versions documents.
pub(crate) async fn check_version(request: Request, next: Next) -> Response {
    match microversion::requested(request.headers()) {
        Ok(version) => with_version(next.run(request).await, Some(version)),
        Err(refusal) => with_version(refusal.fault.into_response(), refusal.repeated),
    }
}

/// A request neither lasts for ever nor takes the connection down with it.
async fn bounded(limit: Duration, work: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked");
            Fault::erred().into_response()
        }
        Err(_elapsed) => {
            tracing::error!(limit_secs = limit.as_secs(), "the request took too long");
            Fault::too_slow().into_response()
        }
    }
}

/// Names the microversion on every answer but a page.
fn with_version(mut response: Response, version: Option<Microversion>) -> Response {
    let headers = response.headers_mut();
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/"));
    if let Some(version) = version.filter(|_| !is_page) {
        headers.insert(microversion::HEADER, version.header_value());
        headers.insert(VARY, HeaderValue::from_static("OpenStack-API-Version"));
    }
    response
}

/// The id that the caller gave a whole chain of requests; kept for the log when it is well formed.
fn global_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(GLOBAL_REQUEST_ID)?.to_str().ok()?;
    id.strip_prefix("req-").filter(|uuid| Uuid::try_parse(uuid).is_ok()).map(|_| id)
}

/// The address without `.json` at the end of its path, when it is there.
fn without_format(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix(".json")?;
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_and_a_slow_handler_a_503() {
        let second = Duration::from_secs(1);
        let panics = async { panic!("a defect") };
        assert_eq!(bounded(second, panics).await.status().as_u16(), 500);
        let never = std::future::pending();
        assert_eq!(bounded(Duration::from_millis(1), never).await.status().as_u16(), 503);
        let good = async { Fault::absent().into_response() };
        assert_eq!(bounded(second, good).await.status().as_u16(), 404);
    }
}
