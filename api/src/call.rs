//! One request as a handler sees it, and one answer as a handler gives it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, OriginalUri, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::{Extension, RequestExt};
use bytes::Bytes;
use domain::Timestamp;
use domain::quota::Limits;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::LengthLimitError;
use outbox::Notifications;
use regex::Regex;
use serde_json::Value;

use crate::authentication::Authenticator;
use crate::config::Config;
use crate::context::Caller;
use crate::error::Fault;
use crate::events::Streams;
use crate::links::Links;
use crate::microversion::Microversion;
use crate::paging::{Parameters, ResourceFilters};
use crate::pipeline::{Identified, RequestId};
use crate::policy::{Policy, Rule};
use crate::rates::Rates;

const JSON_TYPES: [&str; 2] = ["application/json", "application/vnd.openstack.volume+json"];

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) database: db::Database,
    pub(crate) nudge: outbox::Nudge,
    pub(crate) config: Config,
    pub(crate) authenticator: Authenticator,
    pub(crate) policy: Policy,
    /// What a project id in a path looks like.
    pub(crate) project_id: Regex,
    pub(crate) filters: ResourceFilters,
    pub(crate) rates: Option<Rates>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) notifications: Notifications,
}

impl App {
    /// What a project may hold where nothing else is set.
    pub(crate) fn default_limits(&self) -> Limits {
        self.config.quota.into()
    }
}

/// Everything about one request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) version: Microversion,
    /// When the request arrived: the one time that everything it writes carries.
    pub(crate) now: Timestamp,
    pub(crate) request_id: String,
    pub(crate) links: Links,
    pub(crate) parameters: Parameters,
    headers: HeaderMap,
    path: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    /// A service or a worker that was last heard of before is down.
    pub(crate) fn alive_since(&self) -> Timestamp {
        self.now.minus_secs(self.app.config.service_down_time_secs.into())
    }

    /// The resource that the path names; empty where the route has none.
    pub(crate) fn id(&self) -> &str {
        self.segment("id")
    }

    /// A named part of the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The operation exists from this microversion on; before it there is nothing here.
    pub(crate) fn since(&self, version: Microversion) -> Result<(), Fault> {
        if self.version >= version { Ok(()) } else { Err(Fault::absent()) }
    }

    pub(crate) fn require(&self, rule: Rule) -> Result<(), Fault> {
        if !self.app.policy.allows(rule, &self.caller) {
            return Err(Fault::forbidden(rule.name));
        }
        // There is nobody to whom the new thing would belong.
        if rule.makes() && self.caller.project_id.is_empty() {
            return Err(Fault::bad_request("Malformed request url"));
        }
        Ok(())
    }

    /// For the uses of a rule that only administrators have, such as another project's quota.
    pub(crate) fn require_admin(&self, rule: Rule) -> Result<(), Fault> {
        if self.caller.is_admin() { Ok(()) } else { Err(Fault::forbidden(rule.name)) }
    }

    /// The body, which must be there.
    pub(crate) fn body(&self) -> Result<Value, Fault> {
        self.optional_body()?.ok_or_else(Fault::malformed)
    }

    /// The body's JSON; `None` when nothing was sent. A body whose type is not stated counts as none, as in Cinder.
    pub(crate) fn optional_body(&self) -> Result<Option<Value>, Fault> {
        let Some(content_type) = self.headers.get(CONTENT_TYPE).filter(|_| !self.body.is_empty()) else {
            return Ok(None);
        };
        let content_type = content_type.to_str().map_err(|_| Fault::wrong_media_type())?;
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !JSON_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media_type)) {
            return Err(Fault::wrong_media_type());
        }
        // serde_json gives up on deep nesting by itself.
        let value: Value = serde_json::from_slice(&self.body).map_err(|_| Fault::malformed_body())?;
        if holds_nul(&value) { Err(Fault::malformed_body()) } else { Ok(Some(value)) }
    }
}

/// No database column can hold it.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(key, item)| key.contains('\0') || holds_nul(item)),
        _ => false,
    }
}

impl FromRequest<Arc<App>> for Call {
    type Rejection = Fault;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self, Fault> {
        let Ok(Extension(Identified { caller, version, project_in_path })) = request.extract_parts().await else {
            tracing::error!("a handler's route does not identify callers");
            return Err(Fault::erred());
        };
        let OriginalUri(uri) = request.extract_parts().await.unwrap_or_else(|never| match never {});
        let Ok(path) = request.extract_parts::<RawPathParams>().await else { return Err(Fault::absent()) };
        let path: Vec<_> = path.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        // No row can have it in its id or name.
        if path.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Fault::absent());
        }
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let parameters = Parameters::parse(uri.query().unwrap_or_default())?;
        let project = project_in_path.then(|| caller.project_id.clone());
        let links = Links::new(&app.config, request.headers(), uri.path(), project);
        let (Parts { method, headers, .. }, body) = request.into_parts();
        let body = match method {
            Method::POST | Method::PUT => read(body, &headers, app.config.max_request_body_bytes).await?,
            _ => Bytes::new(),
        };
        let app = Arc::clone(app);
        let now = Timestamp::now();
        Ok(Self { app, caller, version, now, request_id, links, parameters, headers, path, body })
    }
}

/// The whole body, unless it is larger than the limit.
async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Fault> {
    let announced: Option<usize> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Fault::too_large());
    }
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let over_limit = std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>());
        if over_limit { Fault::too_large() } else { Fault::malformed_body() }
    })
}

/// What a handler answers when all is well.
#[derive(Debug)]
#[must_use]
pub(crate) struct Answer {
    status: StatusCode,
    body: Option<Value>,
    etag: Option<HeaderValue>,
}

impl Answer {
    const fn new(status: StatusCode, body: Option<Value>) -> Self {
        Self { status, body, etag: None }
    }

    /// 200.
    pub(crate) const fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, Some(body))
    }

    /// 200 without content.
    pub(crate) const fn done() -> Self {
        Self::new(StatusCode::OK, None)
    }

    /// 201.
    pub(crate) const fn created(body: Value) -> Self {
        Self::new(StatusCode::CREATED, Some(body))
    }

    /// 202: rows and job are committed.
    pub(crate) const fn accepted(body: Value) -> Self {
        Self::new(StatusCode::ACCEPTED, Some(body))
    }

    /// 202 without content.
    pub(crate) const fn accepted_silently() -> Self {
        Self::new(StatusCode::ACCEPTED, None)
    }

    /// 204: it is done, and there is nothing to say of it.
    pub(crate) const fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, None)
    }

    /// 412: the caller's copy is stale.
    pub(crate) const fn precondition_failed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, None)
    }

    pub(crate) fn with_etag(mut self, etag: &str) -> Self {
        self.etag = HeaderValue::from_str(etag).ok();
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => axum::Json(body).into_response(),
            None => [(CONTENT_TYPE, "application/json"), (CONTENT_LENGTH, "0")].into_response(),
        };
        *response.status_mut() = self.status;
        if let Some(etag) = self.etag {
            response.headers_mut().insert(ETAG, etag);
        }
        response
    }
}
