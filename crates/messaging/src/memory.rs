//! The broker inside one process: bounded queues in memory with RabbitMQ's manners.
//!
//! What it forgets when the process ends is hints only; the rows behind them bring them back.

mod queue;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use domain::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::port::{Broker, Consumer, Delivery, Envelope, Settle};
use crate::topology;
use crate::unroutable::unroutable;
use queue::{Queue, Stored};

/// A broker of its own, shared by whoever holds the `Arc`.
#[must_use]
pub fn memory() -> Arc<dyn Broker> {
    until(CancellationToken::new())
}

/// The same, with consumers that end when `shutdown` is cancelled.
pub(crate) fn until(shutdown: CancellationToken) -> Arc<dyn Broker> {
    Arc::new(Memory { queues: Arc::new(Queues::default()), shutdown, closed: CancellationToken::new() })
}

struct Memory {
    queues: Arc<Queues>,
    shutdown: CancellationToken,
    closed: CancellationToken,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    fn ensure_open(&self) -> Result<()> {
        if self.closed.is_cancelled() { Err(Error::unavailable("the message broker is closed")) } else { Ok(()) }
    }
}

#[async_trait]
impl Broker for Memory {
    async fn declare(&self, queue: &str) -> Result<()> {
        self.ensure_open()?;
        self.queues.declare(queue);
        Ok(())
    }

    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        self.ensure_open()?;
        if envelope.body.len() > topology::MAX_BODY_BYTES {
            return Err(Error::invalid(format!("a message of {} bytes is too large", envelope.body.len())));
        }
        let found = self.queues.get(queue).ok_or_else(|| unroutable(queue))?;
        if found.push(Stored::new(envelope)) {
            Ok(())
        } else {
            Err(Error::unavailable(format!("queue {queue} is full; it drains as soon as its consumer works again")))
        }
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.ensure_open()?;
        let source = self.queues.declare(queue);
        source.attached();
        Ok(Box::new(MemoryConsumer {
            source,
            queues: Arc::clone(&self.queues),
            room: Arc::new(Semaphore::new(usize::from(prefetch.max(1)))),
            shutdown: self.shutdown.clone(),
            closed: self.closed.clone(),
        }))
    }

    async fn healthy(&self) -> Result<()> {
        if self.closed.is_cancelled() { Err(Error::unavailable("the message broker is closed")) } else { Ok(()) }
    }

    async fn close(&self) {
        self.closed.cancel();
    }
}

/// All queues by name.
#[derive(Default)]
struct Queues(Mutex<HashMap<String, Arc<Queue>>>);

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Queue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Arc<Queue>> {
        self.lock().get(name).cloned()
    }

    /// Also drops the queues of workers that are long gone.
    fn declare(&self, name: &str) -> Arc<Queue> {
        let now = Instant::now();
        let mut queues = self.lock();
        queues.retain(|name, queue| !topology::is_worker_queue(name) || !queue.expired(now));
        Arc::clone(queues.entry(name.to_owned()).or_insert_with(|| Arc::new(Queue::new(name))))
    }

    fn bury(&self, stored: Stored) {
        self.declare(topology::DEAD).push(stored);
    }
}

struct MemoryConsumer {
    source: Arc<Queue>,
    queues: Arc<Queues>,
    /// One permit for each delivery that may be unsettled.
    room: Arc<Semaphore>,
    shutdown: CancellationToken,
    closed: CancellationToken,
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        let (permit, stored) = tokio::select! {
            biased;
            () = self.closed.cancelled() => return None,
            () = self.shutdown.cancelled() => return None,
            received = receive(&self.source, &self.room) => received?,
        };
        let envelope = stored.envelope.clone();
        let redelivered = stored.returns > 0;
        let unsettled = Unsettled {
            stored: Some(stored),
            source: Arc::clone(&self.source),
            queues: Arc::clone(&self.queues),
            _permit: permit,
        };
        Some(Delivery { envelope, redelivered, settle: Box::new(Settlement(Mutex::new(Some(unsettled)))) })
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.source.detached();
    }
}

/// Cancel-safe: nothing is taken from the queue before the last `await` is over. `None` never comes, as no semaphore is closed.
async fn receive(source: &Queue, room: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, Stored)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let stored = source.pop().await?;
    Some((permit, stored))
}

/// A delivery out of the queue's hands. Dropped while it still holds its message, it gives it back.
struct Unsettled {
    stored: Option<Stored>,
    source: Arc<Queue>,
    queues: Arc<Queues>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        let Some(stored) = self.stored.take() else { return };
        if let Some(dead) = self.source.give_back(stored) {
            self.queues.bury(dead);
        }
    }
}

struct Settlement(Mutex<Option<Unsettled>>);

impl Settlement {
    fn take(&self) -> Result<Unsettled> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| Error::internal("a message was settled twice"))
    }
}

#[async_trait]
impl Settle for Settlement {
    async fn ack(&self) -> Result<()> {
        self.take()?.stored = None;
        Ok(())
    }

    async fn reject(&self, requeue: bool) -> Result<()> {
        let mut unsettled = self.take()?;
        if !requeue
            && let Some(stored) = unsettled.stored.take()
            && !unsettled.source.is_dead_letters()
        {
            unsettled.queues.bury(stored);
        }
        Ok(())
    }
}
