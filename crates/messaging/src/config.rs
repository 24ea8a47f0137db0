//! The section `[messaging]`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rabbitmq;

/// Which broker carries the messages.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `memory:` for the broker inside this process, or `amqp://user:password@host:port/vhost` (`amqps://` for TLS,
    /// against the system's certificate authorities or those of `SSL_CERT_FILE`) for RabbitMQ.
    #[schemars(example = &"amqp://emberkeep:secret@127.0.0.1:5672/%2f")]
    pub transport_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { transport_url: "memory:".to_owned() }
    }
}

impl Config {
    /// Refuses what names no broker, by the key and what is wrong with it; connects to nothing. The text never repeats
    /// the value: it may hold a password.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let message = match self.scheme() {
            "memory" => return Ok(()),
            "amqp" | "amqps" => match rabbitmq::check(&self.transport_url) {
                Ok(()) => return Ok(()),
                Err(_) => "is no AMQP URL: write amqp://user:password@host:port/vhost, with %2f for the vhost /",
            },
            _ => "must start with amqp://, amqps:// or be memory: (it is none of these)",
        };
        Err(("transport_url", message.to_owned()))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_broker_is_refused_without_repeating_it() {
        let config = |url: &str| Config { transport_url: url.to_owned() };
        for url in ["memory:", "amqp://guest:guest@127.0.0.1:5672/%2f", "amqps://broker.example.org/emberkeep"] {
            assert!(config(url).check().is_ok(), "{url}");
        }
        for url in ["", "kafka://u:hunter2@h", "rabbit://h", "amqp:", "amqp://h:port/%2f"] {
            let (key, message) = config(url).check().expect_err(url);
            assert_eq!(key, "transport_url");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
