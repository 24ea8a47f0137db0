//! The loop: take rows, publish them, delete what is confirmed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use db::outbox::Outgoing;
use domain::{Error, Result, Timestamp};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use messaging::{Broker, Envelope, topology};
use stdx::backoff::Backoff;
use stdx::report::Chain;

use crate::Nudge;

/// A relay looks at the table this often when nobody nudges it.
const POLL_PERIOD: Duration = Duration::from_secs(1);
/// Taken rows are invisible to other relays this long; then ours is taken for dead and they are published again.
const HIDDEN_SECS: i64 = 30;
/// Rows held in memory at most.
const BATCH: i64 = 256;
/// Messages on their way to the broker at once.
const IN_FLIGHT: usize = 32;
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Task {
    database: db::Database,
    broker: Arc<dyn Broker>,
    nudge: Nudge,
    /// Taken and not yet published. They are retried from here and not from the table, where they are hidden.
    pending: Vec<Outgoing>,
    /// This process has seen to it that the queue everybody publishes to exists.
    declared: bool,
}

/// What a round without a failure found.
#[derive(PartialEq, Eq)]
enum Found {
    Everything,
    /// The batch was full: there may be more.
    More,
}

impl Task {
    pub(crate) fn new(database: db::Database, broker: Arc<dyn Broker>, nudge: Nudge) -> Self {
        Self { database, broker, nudge, pending: Vec::new(), declared: false }
    }

    /// Until dropped. An outage is logged when it begins and when it ends.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut outage = false;
        loop {
            match self.round(&mut backoff).await {
                Ok(found) => {
                    if outage {
                        tracing::info!("the outbox is being sent again");
                    }
                    outage = false;
                    if found == Found::Everything {
                        tokio::select! {
                            () = self.nudge.woken() => {}
                            () = tokio::time::sleep(POLL_PERIOD) => {}
                        }
                    }
                }
                Err(error) => {
                    if !outage {
                        tracing::warn!(error = %Chain(&error), "messages stay in the outbox until this is over");
                    }
                    outage = true;
                    // A nudge does not shorten this: it says nothing about the broker.
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    /// Resets the back-off as soon as anything got through: a broker that limps is not away.
    async fn round(&mut self, backoff: &mut Backoff) -> Result<Found> {
        if !self.declared {
            self.broker.declare(topology::JOBS).await?;
            self.declared = true;
        }
        if self.pending.is_empty() {
            self.pending = self.take().await?;
        }
        let found = if self.pending.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            Found::Everything
        } else {
            Found::More
        };
        let (settled, failure) = self.publish_pending().await;
        self.delete(&settled).await?;
        if failure.is_none() || !settled.is_empty() {
            backoff.reset();
        }
        let settled: HashSet<String> = settled.into_iter().collect();
        self.pending.retain(|outgoing| !settled.contains(&outgoing.id));
        match failure {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }

    async fn take(&self) -> Result<Vec<Outgoing>> {
        let now = Timestamp::now();
        let mut transaction = self.database.begin("take outbox rows").await?;
        let taken = db::outbox::take(&mut transaction, now.plus_secs(HIDDEN_SECS), now, BATCH).await?;
        transaction.commit().await?;
        Ok(taken)
    }

    async fn delete(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.begin("delete sent outbox rows").await?;
        db::outbox::done(&mut transaction, ids).await?;
        transaction.commit().await
    }

    /// The ids of the rows that are done with, and the first failure. After a failure nothing new is begun, so that an
    /// outage costs one timeout and not one for each row.
    async fn publish_pending(&self) -> (Vec<String>, Option<Error>) {
        let (mut settled, mut failure) = (Vec::new(), None);
        let mut unsent = self.pending.iter();
        let mut publishing = FuturesUnordered::new();
        loop {
            while failure.is_none() && publishing.len() < IN_FLIGHT {
                let Some(outgoing) = unsent.next() else { break };
                publishing.push(publish(self.broker.as_ref(), outgoing));
            }
            match publishing.next().await {
                Some(Ok(id)) => settled.push(id),
                Some(Err(error)) => failure = failure.or(Some(error)),
                None => return (settled, failure),
            }
        }
    }
}

/// The row's id when it is done with: published, or not worth keeping.
async fn publish(broker: &dyn Broker, outgoing: &Outgoing) -> Result<String> {
    let (queue, done) = (&outgoing.queue, outgoing.id.clone());
    let error = match broker.publish(queue, envelope(outgoing)).await {
        Ok(()) => return Ok(done),
        Err(error) => error,
    };
    if messaging::is_unroutable(&error) {
        if topology::is_worker_queue(queue) {
            // The worker is gone; its lease ends and the job is assigned anew, with a message of its own.
            tracing::debug!(queue, message_id = outgoing.id, "message to a worker that is gone dropped");
            return Ok(done);
        }
        broker.declare(queue).await?;
        return broker.publish(queue, envelope(outgoing)).await.map(|()| done);
    }
    if !error.retryable() {
        // It would block the rows behind it for ever; what it hints at is found by the reconcilers.
        tracing::error!(queue, message_id = outgoing.id, error = %Chain(&error), "message cannot be sent; dropped");
        return Ok(done);
    }
    Err(error)
}

fn envelope(outgoing: &Outgoing) -> Envelope {
    Envelope {
        message_id: outgoing.id.clone(),
        body: outgoing.body.clone().into(),
        traceparent: outgoing.traceparent.clone(),
    }
}
