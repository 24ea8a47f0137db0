//! The one place where an error becomes an HTTP answer: Cinder's fault bodies (contract §1.3).

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use domain::{Error, Kind};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use stdx::report::Chain;

const MALFORMED: &str =
    "The server could not comply with the request since it is either malformed or otherwise incorrect.";
const NOT_FOUND: &str = "The resource could not be found.";
const ERRED: &str = "The server has either erred or is incapable of performing the requested operation.";

/// The longest message that an answer carries, in characters.
pub(crate) const MESSAGE_MAX: usize = 4096;

/// A refusal as the caller sees it, with the cause that only the log sees.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    message: Cow<'static, str>,
    cause: Option<Error>,
    /// When a 413 of too many requests may be tried again; of too large ones that does not help.
    retry_after_secs: u64,
    /// What a 401 says about how to come back. In a box, because faults travel in every result.
    challenge: Option<Box<HeaderValue>>,
}

impl Fault {
    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), cause: None, retry_after_secs: 0, challenge: None }
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 that does not say what is wrong.
    pub(crate) fn malformed() -> Self {
        Self::bad_request(MALFORMED)
    }

    pub(crate) fn malformed_body() -> Self {
        Self::bad_request("Malformed request body")
    }

    pub(crate) fn unauthorized(challenge: HeaderValue) -> Self {
        let fault = Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.");
        Self { challenge: Some(Box::new(challenge)), ..fault }
    }

    pub(crate) fn forbidden(rule: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("Policy doesn't allow {rule} to be performed."))
    }

    /// 403 in other words than the policy's.
    pub(crate) fn refused(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404 of something that has no name: an operation of another microversion, for one.
    pub(crate) fn absent() -> Self {
        Self::not_found(NOT_FOUND)
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn not_acceptable(message: String) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request is too large.")
    }

    /// 413: the caller's rate is used up, and for so long.
    pub(crate) fn too_often(wait: Duration) -> Self {
        let fault = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This request was rate-limited.");
        Self { retry_after_secs: wait.as_secs_f64().ceil() as u64, ..fault }
    }

    pub(crate) fn wrong_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Type")
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long; try again.")
    }

    /// 503: there is no more room, and there will be.
    pub(crate) fn busy(message: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn erred() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ERRED)
    }

    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The message, its middle left out when it is long: it may repeat what the caller sent.
    pub(crate) fn said(&self) -> Cow<'_, str> {
        const END: usize = 200;
        let length = self.message.chars().count();
        if length <= MESSAGE_MAX {
            return Cow::Borrowed(&self.message);
        }
        let start = self.message.chars().take(MESSAGE_MAX - END - 1);
        start.chain(['…']).chain(self.message.chars().skip(length - END)).collect()
    }

    fn body(&self) -> Value {
        let mut fault = Map::new();
        fault.insert("code".to_owned(), self.status.as_u16().into());
        fault.insert("message".to_owned(), self.said().into());
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            fault.insert("retryAfter".to_owned(), self.retry_after_secs.to_string().into());
        }
        json!({ name(self.status): fault })
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Conflict | Kind::Cancelled => StatusCode::CONFLICT,
            Kind::OverLimit => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Damaged | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => Cow::Borrowed(ERRED),
            _ => Cow::Owned(error.message().to_owned()),
        };
        Self { status, message, cause: Some(error), retry_after_secs: 0, challenge: None }
    }
}

/// Cinder's name of a fault; what has none is a `computeFault`.
pub(crate) const fn name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "badRequest",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "itemNotFound",
        StatusCode::METHOD_NOT_ALLOWED => "badMethod",
        StatusCode::CONFLICT => "conflictingRequest",
        StatusCode::PAYLOAD_TOO_LARGE => "overLimit",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "badMediaType",
        StatusCode::NOT_IMPLEMENTED => "notImplemented",
        StatusCode::SERVICE_UNAVAILABLE => "serviceUnavailable",
        _ => "computeFault",
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        if let Some(cause) = self.cause.as_ref().filter(|_| self.status.is_server_error()) {
            tracing::error!(error = %Chain(cause), status = self.status.as_u16(), "request failed");
        }
        let mut response = (self.status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(RETRY_AFTER, self.retry_after_secs.into());
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, *challenge);
        }
        response
    }
}

/// What an unknown path or verb gets: a page, not a fault (contract §1.1).
pub(crate) async fn page_not_found() -> Response {
    const PAGE: &str = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  \
                        The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>";
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "text/html; charset=UTF-8")], PAGE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_fault() {
        let cases = [
            (Kind::Invalid, 400, "badRequest"),
            (Kind::Forbidden, 403, "forbidden"),
            (Kind::NotFound, 404, "itemNotFound"),
            (Kind::Unsupported, 405, "badMethod"),
            (Kind::Conflict, 409, "conflictingRequest"),
            (Kind::OverLimit, 413, "overLimit"),
            (Kind::Unavailable, 503, "serviceUnavailable"),
            (Kind::Internal, 500, "computeFault"),
            (Kind::Damaged, 500, "computeFault"),
        ];
        for (kind, code, name) in cases {
            let fault = Fault::from(Error::new(kind, "said"));
            let message = if code == 500 { ERRED } else { "said" };
            let mut expected = json!({name: {"code": code, "message": message}});
            if code == 413 {
                expected[name]["retryAfter"] = "0".into();
            }
            assert_eq!(fault.body(), expected);
        }
    }
}
