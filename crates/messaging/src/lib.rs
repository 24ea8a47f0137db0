//! The broker port: RabbitMQ and an in-process one behind one trait; the topology stands in one file.
//!
//! Moves envelopes; knows nothing of jobs or SQL.

mod config;
mod memory;
mod port;
mod rabbitmq;
pub mod topology;
mod unroutable;

use std::sync::Arc;

use domain::{Error, Result};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use memory::memory;
pub use port::{Broker, Consumer, Delivery, Envelope, Settle};
pub use unroutable::{is_unroutable, unroutable};

/// The broker that the configuration names. Fails with `Invalid`, and only for a URL that cannot be right: a broker that
/// is away is retried by `publish` and `consume`, so services may start before it.
///
/// When `shutdown` is cancelled consumers end; publishing and settling stay possible until `close`. Call it inside the
/// runtime.
pub fn connect(config: &Config, shutdown: &CancellationToken) -> Result<Arc<dyn Broker>> {
    config.check().map_err(|(key, message)| Error::invalid(format!("[messaging] {key} {message}")))?;
    match config.scheme() {
        "memory" => Ok(memory::until(shutdown.child_token())),
        _ => rabbitmq::connect(config, shutdown.child_token()),
    }
}
