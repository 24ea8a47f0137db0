//! Rate, errors and duration of requests, by route: the path as the router has it, so that no id becomes a label.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use chassis::metrics::{Counter, Gauge, Timer};
use http::Method;

static REQUESTS: Counter = Counter::new("emberkeep_http_requests", "Requests, by route and status.");
static TIMES: Timer = Timer::new("emberkeep_http_request_seconds", "How long requests took, by route.");
static STREAMS: Gauge = Gauge::new("emberkeep_event_streams", "Those who listen to events of jobs.");

/// Which route a response comes from.
#[derive(Clone, Debug)]
struct Route(MatchedPath);

/// Shows what has not happened yet.
pub(crate) fn declare() {
    STREAMS.set(0, &[]);
}

/// Around every route: leaves word of it for [`answered`].
pub(crate) async fn mark(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

pub(crate) fn answered(method: &Method, response: &Response, took: Duration) {
    let route = response.extensions().get::<Route>().map_or("none", |route| route.0.as_str());
    // Under `/v3` and under `/v3/{project_id}` is the same.
    let route = route.replace("/{project_id}", "");
    let method = match *method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD | Method::OPTIONS | Method::PATCH => {
            method.as_str()
        }
        _ => "other",
    };
    let status = response.status();
    REQUESTS.add(1, &[("method", method), ("route", &route), ("status", status.as_str())]);
    TIMES.took(took, &[("method", method), ("route", &route)]);
}

pub(crate) fn streams(open: u32) {
    STREAMS.set(open.into(), &[]);
}
