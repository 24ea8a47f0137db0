//! One job from hint to report: claim, acknowledge, work, finish.

use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind, Result};
use messaging::Delivery;
use proto::worker::finish_request::Outcome;
use proto::worker::{Checkpoint, Done, Failure};
use serde::Deserialize;
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::link::{JobKey, Link};
use crate::reporter::Reporter;
use crate::running::{Admission, Entry, Running, Stop, key_of};
use crate::stored::Changed;
use crate::work::{self, Task, Workshop};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(3);
/// How often a report is sent that the scheduler does not take while it answers heartbeats: some minutes' worth.
const REPORTS_MAX: u32 = 60;
/// The same for a job that was told to stop: what it reports, its lease's end tells as well.
const REPORTS_OF_STOPPED_MAX: u32 = 5;

/// What all jobs of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) link: Link,
    pub(crate) running: Arc<Running>,
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) checkpoints: mpsc::Sender<Checkpoint>,
    /// A job ended: pools may hold something else than before.
    pub(crate) changed: Changed,
}

/// The body of a hint; ids only.
#[derive(Deserialize)]
struct Hint {
    job_id: String,
    generation: i64,
}

/// Handles one delivery to its end.
pub(crate) async fn take(worker: Arc<Worker>, delivery: Delivery) {
    let hint: Option<Hint> = serde_json::from_slice(&delivery.envelope.body).ok();
    let Some(key) = hint.and_then(|hint| key_of(&hint.job_id, hint.generation)) else {
        tracing::error!(message_id = delivery.envelope.message_id, "malformed hint goes to the dead letters");
        settle(delivery.reject(false).await);
        return;
    };
    // Which request asked for it is known when it is claimed.
    let request_id = tracing::field::Empty;
    let span = tracing::info_span!("job", job_id = %key.id, generation = key.generation, request_id);
    chassis::trace::continue_from(&span, delivery.envelope.traceparent.as_deref());
    Box::pin(run(&worker, key, delivery)).instrument(span).await;
}

async fn run(worker: &Arc<Worker>, key: JobKey, delivery: Delivery) {
    let Some(admission) = worker.running.admit(key) else {
        return settle(delivery.ack().await);
    };
    let spec = match claim(worker, &admission.entry).await {
        Ok(Some(spec)) => spec,
        Ok(None) => {
            tracing::debug!("stale hint forgotten");
            return settle(delivery.ack().await);
        }
        Err(error) => {
            // The scheduler notices that nobody came and assigns the job anew.
            tracing::warn!(error = %Chain(&error), "job not claimed");
            return settle(delivery.ack().await);
        }
    };
    tracing::Span::current().record("request_id", &spec.request_id);
    // From here on the lease holds the job, not the delivery: a transfer may last for hours.
    settle(delivery.ack().await);
    let result = perform(worker, &admission, spec).await;
    if let Some(outcome) = outcome(&admission.entry, result) {
        report(worker, &admission.entry, outcome).await;
    }
    worker.changed.tell();
}

/// An acknowledgement that fails means that the hint comes again, and then it is stale.
fn settle(settled: Result<()>) {
    if let Err(error) = settled {
        tracing::debug!(error = %Chain(&error), "hint not settled; it comes again");
    }
}

/// Tries until the answer could not be used any more.
async fn claim(worker: &Worker, entry: &Entry) -> Result<Option<proto::worker::Job>> {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        let sent = Instant::now();
        let error = match worker.link.claim(entry.key).await {
            Ok(None) => return Ok(None),
            Ok(Some(spec)) => {
                entry.claimed(sent);
                return Ok(Some(spec));
            }
            Err(error) if !error.retryable() => return Err(error),
            Err(error) => error,
        };
        tracing::debug!(error = %Chain(&error), "claim is tried again");
        tokio::select! {
            biased;
            () = entry.stop.cancelled() => return Err(error),
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

/// Does the work in a task of its own, so that a panic is an answer too.
async fn perform(worker: &Worker, admission: &Admission, spec: proto::worker::Job) -> Result<Done> {
    admission.alone().await;
    let entry = Arc::clone(&admission.entry);
    let reporter = Reporter::new(Arc::clone(&entry), worker.checkpoints.clone(), worker.link.clone());
    let task = Task {
        key: entry.key,
        attempt: spec.attempt,
        link: worker.link.clone(),
        stop: entry.stop.clone(),
        lost: entry.lost.clone(),
        reporter: Arc::new(reporter),
        entry,
    };
    let workshop = Arc::clone(&worker.workshop);
    let work = async move { work::perform(&workshop, &task, spec.work).await };
    let running = AbortOnDropHandle::new(stdx::task::spawn("work", work.in_current_span()));
    match running.await {
        Ok(result) => result,
        Err(error) => Err(Error::internal("The backup worker failed inside; its log says why.").with_source(error)),
    }
}

/// What is reported; `None` when the job is not ours any more.
fn outcome(entry: &Entry, result: Result<Done>) -> Option<Outcome> {
    if entry.lost.is_cancelled() {
        tracing::warn!("the job was lost; nothing is reported");
        return None;
    }
    let error = match result {
        Ok(done) => return Some(Outcome::Done(done)),
        Err(error) => error,
    };
    let failure = match (error.kind(), entry.why()) {
        (Kind::Cancelled, Some(Stop::HandedBack)) => {
            failure(Kind::Unavailable, "the backup worker was stopped".to_owned(), true)
        }
        (Kind::Cancelled, Some(Stop::Asked)) => failure(Kind::Cancelled, "The job was cancelled.".to_owned(), false),
        // Nobody asked for it: traces of another attempt were found. If that one is the dead one, the job goes on later.
        (Kind::Cancelled, None) => {
            let reason = "Another worker has been at work on the same job.".to_owned();
            failure(Kind::Unavailable, reason, false)
        }
        (kind, _) => {
            tracing::warn!(error = %Chain(&error), "job failed");
            failure(kind, error.message().to_owned(), false)
        }
    };
    Some(Outcome::Failure(failure))
}

fn failure(kind: Kind, reason: String, handed_back: bool) -> Failure {
    Failure { kind: proto::kind_word(kind).to_owned(), reason, handed_back }
}

/// Reports until the scheduler has answered, or the job is lost: what was done must not be done again for nothing. A
/// report that is given up leaves the job to the end of its lease.
async fn report(worker: &Worker, entry: &Entry, outcome: Outcome) {
    if entry.lost.run_until_cancelled(deliver(worker, entry, outcome)).await.is_none() {
        tracing::warn!("the job was lost before its end was reported");
    }
}

async fn deliver(worker: &Worker, entry: &Entry, outcome: Outcome) {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    let mut sent = 0;
    loop {
        sent += 1;
        let reports_max = if entry.stop.is_cancelled() { REPORTS_OF_STOPPED_MAX } else { REPORTS_MAX };
        match worker.link.finish(entry.key, outcome.clone()).await {
            Ok(true) => return tracing::info!("job finished"),
            Ok(false) => return tracing::warn!("the report was refused: the job is somebody else's"),
            Err(error) if !error.retryable() || sent >= reports_max => {
                return tracing::error!(error = %Chain(&error), sent, "the scheduler cannot take the report");
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "report is sent again"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}
