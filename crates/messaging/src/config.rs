//! The section `[messaging]`.

use std::fmt;

use serde::Deserialize;

/// Which broker.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `memory:` for the broker inside this process, or `amqp://user:password@host:port/vhost` (`amqps://` for TLS,
    /// against the system's certificate authorities or those of `SSL_CERT_FILE`) for RabbitMQ.
    pub transport_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { transport_url: "memory:".to_owned() }
    }
}

impl Config {
    pub(crate) fn scheme(&self) -> &str {
        self.transport_url.split(':').next().unwrap_or_default()
    }
}

/// By hand: the URL holds a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("transport_url", &format_args!("{}:…", self.scheme())).finish()
    }
}
