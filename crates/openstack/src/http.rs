//! The HTTP client of OpenStack's services, and how their refusals become errors.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use domain::{Error, Kind, Result};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode, redirect};

/// Idle connections are given up before the services do so (eventlet waits 60 seconds), or requests would meet a
/// connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How to reach the services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientOptions {
    /// PEM certificates to trust instead of the system's.
    pub ca_cert_file: Option<PathBuf>,
    /// Accept any certificate. For trials only.
    pub insecure: bool,
    pub connect_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { ca_cert_file: None, insecure: false, connect_timeout: Duration::from_secs(10) }
    }
}

/// A pooling HTTP/1.1 client. It follows no redirect: that would hand the token to whomever the answer names.
pub fn client(options: &ClientOptions) -> Result<Client> {
    install_crypto_provider();
    let mut builder = Client::builder()
        .http1_only()
        .redirect(redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .user_agent(concat!("emberkeep/", env!("CARGO_PKG_VERSION")))
        .tls_danger_accept_invalid_certs(options.insecure);
    if let Some(path) = &options.ca_cert_file {
        let unreadable = |reason: &str| Error::invalid(format!("The CA file {} {reason}.", path.display()));
        let pem = std::fs::read(path).map_err(|error| unreadable("cannot be read").with_source(error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| unreadable("holds no PEM certificates").with_source(error))?;
        if certificates.is_empty() {
            return Err(unreadable("holds no PEM certificates"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|error| Error::invalid("The HTTP client cannot be set up.").with_source(error))
}

/// Makes ring the process's TLS provider. May be called any number of times; a provider that is already there stays.
pub fn install_crypto_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was already installed");
        }
    });
}

/// The inside of an error that an HTTP status caused.
#[derive(Debug, thiserror::Error)]
#[error("HTTP {status}{}", .transaction.as_ref().map(|id| format!(", request id {id}")).unwrap_or_default())]
pub struct StatusError {
    pub status: StatusCode,
    /// What the service asks to wait, in whole seconds; its form as a date is not read.
    pub retry_after: Option<Duration>,
    /// The service's own name of the request, to find it in its log.
    pub transaction: Option<String>,
}

impl StatusError {
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let transaction = text("x-openstack-request-id").or_else(|| text("x-trans-id"));
        Self {
            status,
            retry_after: text("retry-after").and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs),
            transaction: transaction.map(|id| id.chars().take(100).collect()),
        }
    }
}

/// The delay that the service asked for, found anywhere among the error's causes.
#[must_use]
pub fn retry_after(error: &Error) -> Option<Duration> {
    let mut cause: Option<&(dyn StdError + 'static)> = StdError::source(error);
    while let Some(inner) = cause {
        if let Some(status) = inner.downcast_ref::<StatusError>() {
            return status.retry_after;
        }
        cause = inner.source();
    }
    None
}

/// A request that got no answer, or not the whole of one.
#[must_use]
pub fn transport_error(peer: &str, error: reqwest::Error) -> Error {
    Error::unavailable(format!(
        "{peer} cannot be reached: see that it runs, and the address and certificates in the configuration."
    ))
    .with_source(error.without_url())
}

/// The body of an answer of at most `limit_bytes`. `peer` names the service in errors.
pub async fn read_bounded(peer: &str, mut response: Response, limit_bytes: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| transport_error(peer, error))? {
        if body.len() + piece.len() > limit_bytes {
            return Err(Error::new(Kind::Damaged, format!("{peer} answered with more than {limit_bytes} bytes.")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_asked_delay_among_the_causes() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().expect("a value"));
        let inner = Error::unavailable("busy").with_source(StatusError::new(StatusCode::SERVICE_UNAVAILABLE, &headers));
        let outer = Error::unavailable("no token").with_source(inner);
        assert_eq!(retry_after(&outer), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&Error::unavailable("plain")), None);
    }

    #[test]
    fn a_missing_ca_file_is_named() {
        let options = ClientOptions { ca_cert_file: Some("/nonexistent/ca.pem".into()), ..ClientOptions::default() };
        let error = client(&options).expect_err("no such file");
        assert!(error.message().contains("/nonexistent/ca.pem"), "{error}");
    }

    #[test]
    fn the_provider_may_be_installed_twice() {
        install_crypto_provider();
        install_crypto_provider();
        client(&ClientOptions::default()).expect("a client");
    }
}
