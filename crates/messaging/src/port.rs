//! The contract of a broker: at least once, in no promised order, in bounded numbers.

use async_trait::async_trait;
use bytes::Bytes;
use domain::Result;

/// A message. It carries ids only: whoever receives it asks the database what is true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Unique; repeated when the message is.
    pub message_id: String,
    pub body: Bytes,
    /// W3C trace context of what caused it.
    pub traceparent: Option<String>,
}

/// Ends a delivery; see [`Delivery`].
#[async_trait]
pub trait Settle: Send + Sync {
    async fn ack(&self) -> Result<()>;
    /// `requeue` false sends it to the dead letters.
    async fn reject(&self, requeue: bool) -> Result<()>;
}

/// A received message, unsettled. Dropped without `ack` or `reject` it comes again, at the latest when the connection ends.
pub struct Delivery {
    pub envelope: Envelope,
    /// It was delivered before.
    pub redelivered: bool,
    pub settle: Box<dyn Settle>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

impl Delivery {
    /// Acknowledge as soon as the message's work is durable elsewhere, never after a long transfer.
    pub async fn ack(self) -> Result<()> {
        self.settle.ack().await
    }

    pub async fn reject(self, requeue: bool) -> Result<()> {
        self.settle.reject(requeue).await
    }
}

/// Receives from one queue. Survives a broker's restart by itself: `next` waits until messages come again.
#[async_trait]
pub trait Consumer: Send {
    /// The next message; `None` only after the broker was closed on purpose. Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;
}

/// A way to reach other processes. Messages may be lost with a broker's disk, repeated, and reordered: the outbox and
/// the reconcilers are what makes that harmless.
#[async_trait]
pub trait Broker: std::fmt::Debug + Send + Sync {
    /// Declares the queue where it is missing. Idempotent.
    async fn declare(&self, queue: &str) -> Result<()>;

    /// Returns once the broker has taken responsibility (publisher confirm). A queue nobody declared is `Unavailable`.
    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()>;

    /// Starts receiving, at most `prefetch` unsettled at once. Declares the queue.
    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>>;

    /// Whether a publish would be taken now; the error says what is wrong and what to do.
    async fn healthy(&self) -> Result<()>;

    /// Ends all consumers and connections.
    async fn close(&self);
}
