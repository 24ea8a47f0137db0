//! What Swift's status codes mean for the caller.

use domain::{Error, Kind};
use openstack::http::StatusError;
use reqwest::{Method, Response};

use super::account::Call;

/// The error for an answer that was not what the call hoped for. The inside keeps the status, Swift's transaction id and
/// the delay it asks for.
pub(super) fn refused(call: &Call, response: &Response) -> Error {
    let status = StatusError::new(response.status(), response.headers());
    let code = response.status().as_u16();
    let asked_to_wait = status.retry_after.is_some();
    let (kind, reason) = match code {
        404 if call.method == Method::PUT => return Error::not_found("Container of", call).with_source(status),
        404 => return Error::not_found(call.noun(), call).with_source(status),
        422 => (Kind::Damaged, "the bytes that arrived do not match their MD5"),
        409 if call.method == Method::GET => (Kind::Damaged, "parts that the object refers to were changed or removed"),
        // Not stored: somebody else's bytes, which came a moment later, bear the name already.
        202 => (Kind::Unavailable, "another writer stored something under the name at the same moment"),
        // Swift's older rate limiting says 413, with a delay.
        413 if !asked_to_wait => {
            (Kind::OverLimit, "it is too large, or a quota of the account or container is used up")
        }
        403 => (Kind::Forbidden, "the user has no right to it: check the user's roles or the container's ACL"),
        416 => (Kind::Invalid, "the range lies outside of the object"),
        408 | 409 | 413 | 429 | 498 | 499 | 500.. => (Kind::Unavailable, "it is overloaded or failing for now"),
        _ => (Kind::Invalid, "it does not understand the request: check backup_swift_auth_url and backup_swift_url"),
    };
    Error::new(kind, format!("Swift refused {} of {call} (HTTP {code}): {reason}.", call.method)).with_source(status)
}
