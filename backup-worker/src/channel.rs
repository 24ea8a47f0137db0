//! The way to the scheduler: a channel that connects when it is used, over TLS where the configuration says so.

use std::time::Duration;

use chassis::config::{ConfigError, http_url};
use chassis::tls;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::config::Config;

/// Of TCP, and again of TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of silence, then of waiting for an answer to a ping: together far less than a lease.
const KEEPALIVE: Duration = Duration::from_secs(2);
const URL: &str = "worker.scheduler_url";

/// Connects when it is used, and again whenever the connection broke or fell silent.
pub fn channel(config: &Config) -> Result<Channel, ConfigError> {
    let invalid = |error: tonic::transport::Error| ConfigError::value(URL, error.to_string());
    let endpoint = Endpoint::from_shared(config.scheduler_url.clone()).map_err(invalid)?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    let endpoint = match tls(config)? {
        Some(tls) => endpoint.tls_config(tls).map_err(invalid)?,
        None => endpoint,
    };
    Ok(endpoint.connect_lazy())
}

/// `None`: the URL is `http://`. Reads the files, and refuses those that the URL has no use for, or lacks.
pub(crate) fn tls(config: &Config) -> Result<Option<ClientTlsConfig>, ConfigError> {
    http_url(URL, &config.scheduler_url)?;
    let authorities = tls::authorities(("worker.scheduler_ca", config.scheduler_ca.as_deref()))?;
    let identity = tls::identity(
        ("worker.tls_certificate", config.tls_certificate.as_deref()),
        ("worker.tls_key", config.tls_key.as_deref()),
    )?;
    match (config.scheduler_url.starts_with("https://"), authorities) {
        (false, None) if identity.is_none() => Ok(None),
        (false, _) => {
            let message = "must start with https:// where scheduler_ca or tls_certificate is given";
            Err(ConfigError::value(URL, message))
        }
        (true, None) => {
            let message = "must be given for an https:// scheduler_url: whose certificates the scheduler shows";
            Err(ConfigError::value("worker.scheduler_ca", message))
        }
        (true, Some(authorities)) => {
            let tls =
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities)).timeout(CONNECT_TIMEOUT);
            Ok(Some(match identity {
                Some(identity) => tls.identity(Identity::from_pem(identity.certificate, identity.key)),
                None => tls,
            }))
        }
    }
}
