//! Hints from this worker's queue, and the jobs they lead to.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use messaging::{Broker, Consumer, topology};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::identity::Identity;
use crate::job::{self, Worker};
use crate::running::Stop;

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How long handed-back jobs have to stop and say so.
const HAND_BACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Dropped, the jobs are aborted where they are: a crash, as far as everybody else can tell.
type Jobs = FuturesUnordered<AbortOnDropHandle<()>>;

/// Takes jobs until `draining`, then lets those that run end, within `grace`.
pub(crate) async fn run(
    worker: &Arc<Worker>,
    consumer: Box<dyn Consumer>,
    slots: watch::Receiver<u32>,
    draining: &CancellationToken,
    grace: Duration,
) {
    let mut jobs = Jobs::new();
    draining.run_until_cancelled(take_jobs(worker, consumer, slots, &mut jobs)).await;
    draining.cancel();
    drain(worker, &mut jobs, grace).await;
}

/// Returns when the broker was closed.
async fn take_jobs(
    worker: &Arc<Worker>,
    mut consumer: Box<dyn Consumer>,
    mut allowed: watch::Receiver<u32>,
    jobs: &mut Jobs,
) {
    loop {
        let slots = usize::try_from(*allowed.borrow_and_update()).unwrap_or(usize::MAX);
        tokio::select! {
            biased;
            Ok(()) = allowed.changed() => {}
            // A full worker leaves further hints in the queue.
            delivery = consumer.next(), if jobs.len() < slots => {
                let Some(delivery) = delivery else { return };
                let task = stdx::task::spawn("job", job::take(Arc::clone(worker), delivery));
                jobs.push(AbortOnDropHandle::new(task));
            }
            Some(ended) = jobs.next() => log_panic(&ended),
        }
    }
}

/// Opens the worker's queue, however long that takes.
pub(crate) async fn open(broker: &dyn Broker, identity: &Identity) -> Box<dyn Consumer> {
    let queue = topology::worker_queue(&identity.worker_id.to_string());
    let prefetch = u16::try_from(identity.slots).unwrap_or(u16::MAX);
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        match broker.consume(&queue, prefetch).await {
            Ok(consumer) => return consumer,
            Err(error) => tracing::warn!(error = %Chain(&error), queue, "no hints can be received yet"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

async fn drain(worker: &Worker, jobs: &mut Jobs, grace: Duration) {
    if jobs.is_empty() {
        return;
    }
    tracing::info!(jobs = jobs.len(), grace_secs = grace.as_secs(), "draining");
    if ended_until(jobs, Instant::now() + grace).await {
        return;
    }
    worker.running.stop_all(Stop::HandedBack);
    if !ended_until(jobs, Instant::now() + HAND_BACK_TIMEOUT).await {
        tracing::warn!(jobs = jobs.len(), "jobs did not stop in time; their leases will end");
    }
}

/// False: some still run at the deadline.
async fn ended_until(jobs: &mut Jobs, deadline: Instant) -> bool {
    let all = async {
        while let Some(ended) = jobs.next().await {
            log_panic(&ended);
        }
    };
    tokio::time::timeout_at(deadline, all).await.is_ok()
}

/// Panics of the work itself are caught and reported; this is the frame around it.
fn log_panic(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job's task failed; its lease will end");
    }
}
