//! Requests to one account: its address, the token, one renewal of it, the trace, and the watch over idle transfers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind, Result};
use openstack::{Session, Token, http};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};

use super::idle::Progress;
use super::{Endpoint, SwiftOptions, check_container, upload};
use crate::{Body, name};

/// Everything but RFC 3986's unreserved letters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Ten thousand entries of the longest names, escaped, are about this long.
const LISTING_MAX_BYTES: usize = 64 << 20;

/// One request, without what the account adds to it. Displays as the path it is about.
pub(super) struct Call {
    pub(super) method: Method,
    container: String,
    name: Option<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    /// With the range of it that is sent.
    pub(super) body: Option<(Body, Range<u64>)>,
}

impl Call {
    pub(super) fn container(method: Method, container: &str) -> Result<Self> {
        check_container(container)?;
        let container = container.to_owned();
        Ok(Self { method, container, name: None, query: Vec::new(), headers: HeaderMap::new(), body: None })
    }

    pub(super) fn object(method: Method, container: &str, object: &str) -> Result<Self> {
        name::check_object(object)?;
        Ok(Self { name: Some(object.to_owned()), ..Self::container(method, container)? })
    }

    /// Sends all of it.
    pub(super) fn set_body(&mut self, body: Body) {
        let range = 0..body.length_bytes();
        self.body = Some((body, range));
    }

    /// `Object` or `Container`, as errors name it.
    pub(super) const fn noun(&self) -> &'static str {
        if self.name.is_some() { "Object" } else { "Container" }
    }

    fn path(&self) -> String {
        let container = utf8_percent_encode(&self.container, PATH);
        match &self.name {
            Some(name) => format!("{container}/{}", utf8_percent_encode(name, PATH)),
            None => container.to_string(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.container)?;
        self.name.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

#[derive(Debug)]
pub(super) struct Account {
    client: Client,
    session: Session,
    endpoint: Endpoint,
    idle_timeout: Duration,
}

impl Account {
    pub(super) fn new(options: SwiftOptions) -> Result<Self> {
        let client = http::client(&options.client)?;
        Ok(Self {
            session: Session::new(client.clone(), options.credentials, options.idle_timeout),
            client,
            endpoint: options.endpoint,
            idle_timeout: options.idle_timeout,
        })
    }

    pub(super) const fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// The answer, whatever its status. A 401 is met once by a new token and a repetition, which a [`Body`] allows.
    pub(super) async fn send(&self, call: &Call) -> Result<Response> {
        let token = self.token().await?;
        let response = self.attempt(call, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.session.invalidate(&token);
        let renewed = self.token().await?;
        let response = self.attempt(call, &renewed).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // Not for lack of rights (that is 403): Swift fails to validate tokens, which passes.
            let status = http::StatusError::new(response.status(), response.headers());
            return Err(Error::unavailable("Swift refuses a token that was issued a moment ago.").with_source(status));
        }
        Ok(response)
    }

    /// A refusal passes as a rule: credentials and address are those of the configuration, and were right when it was made.
    async fn token(&self) -> Result<Arc<Token>> {
        self.session.token().await.map_err(|error| match error.kind() {
            Kind::Forbidden | Kind::Invalid => Error::unavailable(error.message().to_owned()).with_source(error),
            _ => error,
        })
    }

    /// The body of a listing, bounded in size; as a whole it must come within the time that a transfer may be idle.
    pub(super) async fn read_listing(&self, call: &Call, response: Response) -> Result<Vec<u8>> {
        let body = tokio::time::timeout(self.idle_timeout, http::read_bounded("Swift", response, LISTING_MAX_BYTES));
        body.await.map_err(|_| stalled(call, self.idle_timeout))?
    }

    async fn attempt(&self, call: &Call, token: &Arc<Token>) -> Result<Response> {
        let url = format!("{}/{}", self.url(token)?, call.path());
        let progress = Progress::default();
        let mut request = self.client.request(call.method.clone(), url).headers(call.headers.clone());
        request = request.header("x-auth-token", token.header());
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(trace) = chassis::trace::current_traceparent().and_then(|text| HeaderValue::from_str(&text).ok()) {
            request = request.header(chassis::trace::TRACEPARENT, trace);
        }
        if let Some((body, range)) = &call.body {
            request = request.body(upload::body(body, range.clone(), progress.clone()));
        }
        let answer =
            progress.watch(self.idle_timeout, request.send()).await.ok_or_else(|| stalled(call, self.idle_timeout))?;
        let response = answer.map_err(|error| http::transport_error("Swift", error))?;
        tracing::debug!(method = %call.method, path = %call, status = response.status().as_u16(), "Swift answered");
        Ok(response)
    }

    /// The account's address, as the catalogue or tempauth gave it.
    fn url(&self, token: &Token) -> Result<String> {
        let Endpoint { service_type, interface, region, account_url_prefix } = &self.endpoint;
        match account_url_prefix {
            None => token.endpoint(service_type, *interface, region.as_deref()).map(str::to_owned),
            Some(prefix) => token.project_id().map(|project_id| format!("{prefix}{project_id}")).ok_or_else(|| {
                Error::new(Kind::Invalid, "backup_swift_url needs a token that is scoped to a project.")
            }),
        }
    }
}

pub(super) fn stalled(call: &Call, idle_timeout: Duration) -> Error {
    Error::unavailable(format!(
        "Swift was silent for {} seconds during {} of {call}.",
        idle_timeout.as_secs(),
        call.method
    ))
}
