//! The loop: take rows, publish them, delete what is confirmed.

use std::collections::{BTreeMap, BTreeSet};
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
/// What could not be sent is put back for so long, while other queues get their turn.
const PUT_BACK_SECS: i64 = 2;
/// Unreachable queues remembered, so as not to log them again and again.
const UNREACHABLE_MAX: usize = 1000;
/// What a worker did not hear of in this time is assigned anew, with a message of its own.
const WORKER_HINT_SECS: i64 = 60;

#[derive(Debug)]
pub(crate) struct Task {
    database: db::Database,
    broker: Arc<dyn Broker>,
    nudge: Nudge,
    /// Queues to which the last attempt failed.
    unreachable: BTreeSet<String>,
    /// This process has seen to it that the queue everybody publishes to exists.
    declared: bool,
}

/// What a round found.
#[derive(PartialEq, Eq)]
pub(crate) enum Found {
    Everything,
    /// The batch was full: there may be more.
    More,
    /// Some rows could not be sent, perhaps none.
    Failures {
        something_sent: bool,
    },
}

/// What became of the rows of one batch.
#[derive(Default)]
struct Outcome<'a> {
    /// Rows that are done with.
    settled: Vec<String>,
    unsent: Vec<&'a Outgoing>,
    /// Queues to which a row was sent, and those to which none can be.
    reached: BTreeSet<String>,
    failed: BTreeMap<String, Error>,
}

impl Task {
    pub(crate) fn new(database: db::Database, broker: Arc<dyn Broker>, nudge: Nudge) -> Self {
        Self { database, broker, nudge, unreachable: BTreeSet::new(), declared: false }
    }

    /// Until dropped. An outage is logged when it begins and when it ends.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut outage = false;
        loop {
            match self.round().await {
                Ok(found) => {
                    if outage {
                        tracing::info!("the outbox is being sent again");
                    }
                    outage = false;
                    match found {
                        Found::More => backoff.reset(),
                        Found::Failures { something_sent } => {
                            // A broker that limps is not away.
                            if something_sent {
                                backoff.reset();
                            }
                            tokio::time::sleep(backoff.next_delay()).await;
                        }
                        Found::Everything => {
                            backoff.reset();
                            tokio::select! {
                                () = self.nudge.woken() => {}
                                () = tokio::time::sleep(POLL_PERIOD) => {}
                            }
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

    pub(crate) async fn round(&mut self) -> Result<Found> {
        if !self.declared {
            self.broker.declare(topology::JOBS).await?;
            self.declared = true;
        }
        let batch = self.take().await?;
        let outcome = self.publish(&batch).await;
        self.record(&outcome).await?;
        let is_full = i64::try_from(batch.len()).is_ok_and(|taken| taken >= BATCH);
        let found = match is_full {
            _ if !outcome.failed.is_empty() => Found::Failures { something_sent: !outcome.settled.is_empty() },
            true => Found::More,
            false => Found::Everything,
        };
        self.note(outcome);
        Ok(found)
    }

    /// What is done with goes; the rest is put back, for a while where nothing got through, but for what is too old to be of use to a worker.
    async fn record(&self, outcome: &Outcome<'_>) -> Result<()> {
        if outcome.settled.is_empty() && outcome.unsent.is_empty() {
            return Ok(());
        }
        let now = Timestamp::now();
        let mut transaction = self.database.begin("record sent outbox rows").await?;
        db::outbox::done(&mut transaction, &outcome.settled).await?;
        let (limping, away): (Vec<&Outgoing>, _) =
            outcome.unsent.iter().partition(|outgoing| outcome.reached.contains(&outgoing.queue));
        for (rows, until) in [(limping, now), (away, now.plus_secs(PUT_BACK_SECS))] {
            let ids: Vec<_> = rows.into_iter().map(|outgoing| outgoing.id.clone()).collect();
            db::outbox::put_back(&mut transaction, &ids, until).await?;
        }
        for queue in outcome.failed.keys().filter(|queue| topology::is_worker_queue(queue)) {
            let forgotten = db::outbox::forget(&mut transaction, queue, now.minus_secs(WORKER_HINT_SECS)).await?;
            if forgotten > 0 {
                tracing::info!(queue, forgotten, "old messages to a worker that cannot be reached dropped");
            }
        }
        transaction.commit().await
    }

    /// A queue is named in the log when it cannot be reached any more, and when it can again.
    fn note(&mut self, outcome: Outcome<'_>) {
        for queue in outcome.reached {
            if !outcome.failed.contains_key(&queue) && self.unreachable.remove(&queue) {
                tracing::info!(queue, "the queue is being served again");
            }
        }
        for (queue, error) in outcome.failed {
            // The queues of workers come and go; what is remembered of them stays small.
            if self.unreachable.len() >= UNREACHABLE_MAX {
                self.unreachable.clear();
            }
            if self.unreachable.insert(queue.clone()) {
                tracing::warn!(queue, error = %Chain(&error), "messages to the queue stay in the outbox until this is over");
            }
        }
    }

    async fn take(&self) -> Result<Vec<Outgoing>> {
        let now = Timestamp::now();
        let mut transaction = self.database.begin("take outbox rows").await?;
        let taken = db::outbox::take(&mut transaction, now.plus_secs(HIDDEN_SECS), now, BATCH).await?;
        transaction.commit().await?;
        Ok(taken)
    }

    /// After a failure nothing new is begun for the same queue, so that an outage costs one timeout and not one for each row;
    /// other queues go on.
    async fn publish<'a>(&self, batch: &'a [Outgoing]) -> Outcome<'a> {
        let mut outcome = Outcome::default();
        let broker = self.broker.as_ref();
        let mut waiting = batch.iter();
        let mut publishing = FuturesUnordered::new();
        loop {
            while publishing.len() < IN_FLIGHT {
                let Some(outgoing) = waiting.next() else { break };
                if outcome.failed.contains_key(&outgoing.queue) {
                    outcome.unsent.push(outgoing);
                } else {
                    publishing.push(async move { (outgoing, publish(broker, outgoing).await) });
                }
            }
            match publishing.next().await {
                Some((outgoing, Ok(()))) => {
                    outcome.settled.push(outgoing.id.clone());
                    outcome.reached.insert(outgoing.queue.clone());
                }
                Some((outgoing, Err(error))) => {
                    outcome.unsent.push(outgoing);
                    outcome.failed.entry(outgoing.queue.clone()).or_insert(error);
                }
                None => return outcome,
            }
        }
    }
}

/// `Ok` when the row is done with: published, or not worth keeping.
async fn publish(broker: &dyn Broker, outgoing: &Outgoing) -> Result<()> {
    let queue = &outgoing.queue;
    let error = match broker.publish(queue, envelope(outgoing)).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if messaging::is_unroutable(&error) {
        if topology::is_worker_queue(queue) {
            // The worker is gone; its lease ends and the job is assigned anew, with a message of its own.
            tracing::debug!(queue, message_id = outgoing.id, "message to a worker that is gone dropped");
            return Ok(());
        }
        broker.declare(queue).await?;
        return broker.publish(queue, envelope(outgoing)).await;
    }
    if !error.retryable() {
        // It would block the rows behind it for ever; what it hints at is found by the reconcilers.
        tracing::error!(queue, message_id = outgoing.id, error = %Chain(&error), "message cannot be sent; dropped");
        return Ok(());
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
