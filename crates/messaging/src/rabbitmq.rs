//! RabbitMQ: one connection for publishing, one for each consumer, all rebuilt when they are lost.
//!
//! The client library's own recovery is left off: it can leave a consumer that neither receives nor fails. Connections
//! are separate so that a broker under memory pressure, which stops publishers, still hears acknowledgements.

mod consumer;
mod link;
mod publisher;
mod settings;
mod settlement;
mod tls;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::port::{Broker, Consumer, Envelope};
use publisher::Publisher;
use settings::Settings;
pub(crate) use tls::Tls;

/// Checks the URL and reads the files; starts nothing.
pub(crate) fn connect(config: &Config, shutdown: CancellationToken) -> Result<Arc<dyn Broker>> {
    let mut settings = Settings::parse(&config.transport_url)?;
    settings.tls =
        Tls::read(config).map_err(|(key, message)| Error::invalid(format!("[messaging] {key} {message}")))?;
    let settings = Arc::new(settings);
    let publisher = Publisher::new(Arc::clone(&settings));
    Ok(Arc::new(RabbitMq { settings, publisher, shutdown }))
}

/// Whether the URL can be right; connects to nothing.
pub(crate) fn check(transport_url: &str) -> Result<()> {
    Settings::parse(transport_url).map(drop)
}

struct RabbitMq {
    settings: Arc<Settings>,
    publisher: Publisher,
    /// Ends the consumers; `close` cancels it too.
    shutdown: CancellationToken,
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq").field("at", &self.settings.shown).finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn declare(&self, queue: &str) -> Result<()> {
        self.publisher.declare(queue).await
    }

    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        self.publisher.publish(queue, envelope).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let closed = || Error::unavailable("the message broker is closed");
        if self.shutdown.is_cancelled() {
            return Err(closed());
        }
        let consumer = consumer::start(Arc::clone(&self.settings), queue, prefetch, self.shutdown.clone());
        Ok(Box::new(consumer.await.ok_or_else(closed)?))
    }

    async fn healthy(&self) -> Result<()> {
        self.publisher.healthy().await
    }

    async fn close(&self) {
        self.shutdown.cancel();
        self.publisher.close();
    }
}
