//! The section `[messaging]`.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rabbitmq::{self, Tls};

/// Which broker carries the messages.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `memory:` for the broker inside this process, or `amqp://user:password@host:port/vhost` (`amqps://` for TLS) for RabbitMQ.
    #[schemars(example = &"amqp://emberkeep:secret@127.0.0.1:5672/%2f")]
    pub transport_url: String,
    /// With `amqps://`: the broker must show a certificate of one of these authorities (PEM), for the host that the URL names. Unset:
    /// of one that the system knows, or `SSL_CERT_FILE` names.
    #[schemars(example = &"/etc/emberkeep/broker-ca.pem")]
    pub tls_ca: Option<PathBuf>,
    /// With `amqps://`: what a broker is shown that demands certificates (PEM). Unset: none is shown.
    #[schemars(example = &"/etc/emberkeep/client.pem")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[schemars(example = &"/etc/emberkeep/client.key")]
    pub tls_key: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { transport_url: "memory:".to_owned(), tls_ca: None, tls_certificate: None, tls_key: None }
    }
}

impl Config {
    /// Refuses what names no broker, by the key and what is wrong with it; connects to nothing. The text never repeats
    /// the value: it may hold a password.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let message = match self.scheme() {
            "memory" => return self.check_plain(),
            "amqp" | "amqps" => match rabbitmq::check(&self.transport_url) {
                Ok(()) if self.scheme() == "amqps" => return Tls::read(self).map(drop),
                Ok(()) => return self.check_plain(),
                Err(_) => "is no AMQP URL: write amqp://user:password@host:port/vhost, with %2f for the vhost /",
            },
            _ => "must start with amqp://, amqps:// or be memory: (it is none of these)",
        };
        Err(("transport_url", message.to_owned()))
    }

    /// What TLS would need is a mistake where there is none.
    fn check_plain(&self) -> Result<(), (&'static str, String)> {
        let files = [("tls_ca", &self.tls_ca), ("tls_certificate", &self.tls_certificate), ("tls_key", &self.tls_key)];
        match files.into_iter().find(|(_, file)| file.is_some()) {
            Some((key, _)) => Err((key, "has no meaning unless transport_url begins with amqps://".to_owned())),
            None => Ok(()),
        }
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
        let config = |url: &str| Config { transport_url: url.to_owned(), ..Config::default() };
        for url in ["memory:", "amqp://guest:guest@127.0.0.1:5672/%2f", "amqps://broker.example.org/emberkeep"] {
            assert!(config(url).check().is_ok(), "{url}");
        }
        for url in ["", "kafka://u:hunter2@h", "rabbit://h", "amqp:", "amqp://h:port/%2f"] {
            let (key, message) = config(url).check().expect_err(url);
            assert_eq!(key, "transport_url");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn files_of_tls_are_held_against_each_other() {
        let file = Some(PathBuf::from("/nowhere.pem"));
        let plain = Config { transport_url: "amqp://h/%2f".to_owned(), tls_ca: file.clone(), ..Config::default() };
        assert_eq!(plain.check().unwrap_err().0, "tls_ca");
        let tls = Config { transport_url: "amqps://h/%2f".to_owned(), ..plain };
        let (key, message) = tls.check().unwrap_err();
        assert_eq!(key, "tls_ca");
        assert!(message.contains("/nowhere.pem cannot be read"), "{message}");
        let (key, message) = Config { tls_ca: None, tls_certificate: file, ..tls }.check().unwrap_err();
        assert_eq!((key, message.as_str()), ("tls_key", "must be given too, for tls_certificate"));
    }
}
