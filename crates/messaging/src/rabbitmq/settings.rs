//! Where RabbitMQ is and as whom we come, with the password kept out of every output.

use std::fmt;

use domain::{Error, Kind, Result};
use lapin::ConnectionProperties;
use lapin::uri::{AMQPScheme, AMQPUri};

use super::tls::{self, Tls};

/// Seconds between heartbeats unless the URL says otherwise: a dead peer is noticed after two of them.
const HEARTBEAT_SECS: u16 = 10;

pub(super) struct Settings {
    pub(super) uri: AMQPUri,
    pub(super) tls: Tls,
    /// `amqp://host:port/vhost`, for logs and errors.
    pub(super) shown: String,
    /// Program and process id; RabbitMQ lists connections by it.
    process: String,
}

impl Settings {
    /// Errors never repeat the URL: it holds a password.
    pub(super) fn parse(transport_url: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid(
                "[messaging] transport_url is no AMQP URL: write amqp://user:password@host:port/vhost, with %2f for the vhost /",
            )
        };
        let parsed = url::Url::parse(transport_url).map_err(|_| invalid())?;
        let mut uri: AMQPUri = transport_url.parse().map_err(|_| invalid())?;
        // The library takes an IPv6 host for none and goes to localhost.
        if let Some(url::Host::Ipv6(address)) = parsed.host() {
            uri.authority.host = address.to_string();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
        let scheme = parsed.scheme();
        let shown =
            format!("{scheme}://{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(|path| path.file_stem()?.to_str()).unwrap_or("emberkeep");
        Ok(Self { uri, tls: Tls::default(), shown, process: format!("{program} {}", std::process::id()) })
    }

    /// Why the broker could not be met.
    pub(super) fn explain(&self, error: lapin::Error) -> Failure {
        let asks = self.uri.scheme == AMQPScheme::AMQPS && self.tls.shows_nothing() && tls::is_cut(&error);
        if asks { Failure::Tls(tls::CUT, error) } else { error.into() }
    }

    /// What RabbitMQ's management shows as the connection's name.
    pub(super) fn properties(&self, purpose: &str) -> ConnectionProperties {
        ConnectionProperties::default().with_connection_name(format!("{} {purpose}", self.process).into())
    }

    /// A failure of the broker or of the way to it.
    pub(super) fn unavailable(&self, what: &str, cause: Failure) -> Error {
        let error = Error::new(Kind::Unavailable, format!("the message broker at {} {what}", self.shown));
        error.with_source(cause)
    }

    /// What is wrong and what to do, in one sentence.
    pub(super) fn advice(&self, cause: Failure) -> Error {
        let said = cause.to_string();
        let what = if matches!(cause, Failure::Blocked | Failure::Refused) {
            "takes no messages, for want of memory or disk: see its alarms (`rabbitmqctl status`)"
        } else if said.contains("ACCESS_REFUSED") {
            "refuses the login: see user, password and virtual host in [messaging] transport_url"
        } else if said.contains("NOT_ALLOWED") {
            "has no such virtual host for this user: see [messaging] transport_url, and `rabbitmqctl list_permissions`"
        } else {
            "does not answer: see that it runs and lets this machine in, and what [messaging] transport_url names"
        };
        Error::unavailable(format!("RabbitMQ at {} {what}.", self.shown)).with_source(cause)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Its text holds its causes already.
    #[error("{0}")]
    Amqp(lapin::Error),
    /// TLS was not agreed on: what the broker does, and the library's words.
    #[error("the broker {0} ({1})")]
    Tls(&'static str, lapin::Error),
    #[error("{0} did not answer in time")]
    Silent(&'static str),
    #[error("publications are blocked (the broker is short of memory or disk)")]
    Blocked,
    #[error("the message was refused")]
    Refused,
    #[error("{0}")]
    Stalled(&'static str),
}

impl From<lapin::Error> for Failure {
    fn from(error: lapin::Error) -> Self {
        match tls::refusal(&error) {
            Some(refusal) => Self::Tls(refusal, error),
            None => Self::Amqp(error),
        }
    }
}
