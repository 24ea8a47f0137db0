//! Around every page: nobody else's page may frame it, post to it or run a script in it, and nobody keeps a copy.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::Console;
use super::page::Leave;
use crate::config::Config;

/// Scripts and styles are files of ours; nothing stands in the pages themselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` browsers would hide the origin of a form from ourselves.
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if changes && !is_own(&console.app.config, request.headers()) {
        Leave::Foreign.into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether a page of ours sent the request. The cookie's `SameSite` says so already; this holds where a neighbour on the
/// same site does not deserve to be trusted, and for signing in, which needs no cookie.
fn is_own(config: &Config, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(&ORIGIN) else { return false };
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let public = config.public_endpoint.as_ref().and_then(|endpoint| Url::parse(endpoint).ok());
    host.is_some_and(|host| text(&HOST) == Some(host))
        || public.is_some_and(|endpoint| endpoint.origin().ascii_serialization() == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(public: Option<&str>, pairs: &[(&'static str, &'static str)]) -> bool {
        let config = Config { public_endpoint: public.map(str::to_owned), ..Config::default() };
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_own(&config, &headers.collect())
    }

    #[test]
    fn only_our_own_pages_may_post() {
        assert!(own(None, &[("sec-fetch-site", "same-origin")]));
        assert!(own(None, &[("origin", "http://volumes:8776"), ("host", "volumes:8776")]));
        assert!(own(Some("https://cloud.example/v3"), &[("origin", "https://cloud.example"), ("host", "inside:8776")]));
        assert!(!own(None, &[("host", "volumes:8776")]), "a form of a browser names its origin");
        for site in ["cross-site", "same-site", "none"] {
            let pairs = [("sec-fetch-site", site), ("origin", "http://volumes:8776"), ("host", "volumes:8776")];
            assert!(!own(None, &pairs), "{site}");
        }
        for origin in ["null", "http://evil.example", "http://volumes:8776.evil.example", "volumes:8776"] {
            assert!(!own(Some("https://cloud.example"), &[("origin", origin), ("host", "volumes:8776")]), "{origin}");
        }
    }
}
