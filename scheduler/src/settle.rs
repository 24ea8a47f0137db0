//! The end of a job: one transaction in which the job ends and every row it was about gets its final state.
//!
//! `domain::settle` says what becomes of which row; here it is applied. A row that vanished meanwhile, or that somebody moved
//! to another status (a force delete, an operator's reset), is left alone: what ended is the job, not their wish. So is the
//! status that a later job's request set, even where it is the same word.

mod backup;
pub(crate) mod group;
pub(crate) mod group_snapshot;
pub(crate) mod import;
mod moved;
mod replay;
mod snapshot;
mod verification;
mod volume;

use db::jobs::Requeue;
use db::{Conn, checkpoints, jobs, messages};
use domain::job::{self, Ending, Job, JobEvent, JobState};
use domain::message::{Cause, Message, of_failure};
use domain::settle::settle;
use domain::{Kind, Result, Timestamp};
use format::VolumeMeta;
use messaging::topology;

use crate::metrics::{self, Why};

/// What a worker found out while it did the job.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Report {
    /// Data objects of the backup that was made.
    pub(crate) object_count: i64,
    /// GiB of the volume that was taken under management.
    pub(crate) size_gb: i64,
    /// What the restored chain's manifests say of their volume, oldest first.
    pub(crate) volume_meta: Vec<VolumeMeta>,
}

/// What became of a job whose worker failed or vanished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Requeued,
    Ended,
    /// The generation is dead: somebody else decided, nothing was changed.
    Stale,
}

/// Ends the job, whose project is locked. False: the generation is dead, nothing was changed.
pub(crate) async fn end(
    conn: &mut Conn,
    job: &Job,
    ending: Ending,
    reason: Option<&str>,
    report: &Report,
    now: Timestamp,
) -> Result<bool> {
    // Who ends a job for good that no worker has found no worker for it.
    let cause = if job.state == JobState::Queued { Cause::NoPlace } else { Cause::Worker };
    end_because(conn, job, ending, reason, report, cause, now).await
}

async fn end_because(
    conn: &mut Conn,
    job: &Job,
    ending: Ending,
    reason: Option<&str>,
    report: &Report,
    cause: Cause,
    now: Timestamp,
) -> Result<bool> {
    let refusal = if ending == Ending::Succeeded { import::refusal(conn, job).await? } else { None };
    let (ending, reason) = if refusal.is_some() { (Ending::Failed, refusal.as_deref()) } else { (ending, reason) };
    if !jobs::finish(conn, job.id, job.generation, ending, reason, now).await? {
        return Ok(false);
    }
    let end = End { job, ending, reason, cause, report, now };
    let effects = settle(&job.subject, ending, job.attempts > 0);
    backup::apply(conn, &end, &effects).await?;
    group_snapshot::apply(conn, &end, effects.group_snapshot).await?;
    snapshot::apply(conn, &end, effects.snapshot).await?;
    volume::apply(conn, &end, effects.volume).await?;
    verification::apply(conn, &end).await?;
    checkpoints::delete(conn, job.id).await?;
    metrics::ended(job, ending, now);
    if ending == Ending::Failed {
        tell(conn, job, cause, now).await?;
    }
    match ending {
        Ending::Succeeded => tracing::info!(job_id = %job.id, kind = %job.kind, "job succeeded"),
        Ending::Failed => tracing::warn!(job_id = %job.id, kind = %job.kind, reason, "job failed"),
        Ending::Cancelled => tracing::info!(job_id = %job.id, kind = %job.kind, reason, "job cancelled"),
    }
    Ok(true)
}

/// The message to the project that the job was for.
async fn tell(conn: &mut Conn, job: &Job, cause: Cause, now: Timestamp) -> Result<()> {
    let Some((about, action, detail)) = of_failure(&job.subject, cause) else { return Ok(()) };
    let message = Message::error(&job.project_id, job.request_id.as_deref(), about, (action, detail), now);
    messages::insert(conn, &message).await
}

/// A worker could not do the job: queues it again or ends it, by what went wrong and how often that happened.
pub(crate) async fn failed(conn: &mut Conn, job: &Job, kind: Kind, reason: &str, now: Timestamp) -> Result<Fate> {
    again_or_end(conn, job, kind, reason, Cause::Worker, now).await
}

/// The worker that ran the job was lost: as [`failed`], with what may pass.
pub(crate) async fn lost(conn: &mut Conn, job: &Job, reason: &str, now: Timestamp) -> Result<Fate> {
    again_or_end(conn, job, Kind::Unavailable, reason, Cause::WorkerLost, now).await
}

/// What the job is about is gone or was moved on before a worker could begin.
pub(crate) async fn impossible(conn: &mut Conn, job: &Job, kind: Kind, reason: &str, now: Timestamp) -> Result<Fate> {
    again_or_end(conn, job, kind, reason, Cause::WrongStatus, now).await
}

async fn again_or_end(
    conn: &mut Conn,
    job: &Job,
    kind: Kind,
    reason: &str,
    cause: Cause,
    now: Timestamp,
) -> Result<Fate> {
    let failures = job.failures + 1;
    let cause = if kind == Kind::Damaged { Cause::Damage } else { cause };
    let done = match job::after_failure(kind, failures) {
        JobEvent::Finish(ending) => {
            let ended = end_because(conn, job, ending, Some(reason), &Report::default(), cause, now).await?;
            return Ok(if ended { Fate::Ended } else { Fate::Stale });
        }
        _ => {
            let not_before = now.plus_secs(job::retry_delay_secs(failures));
            let why = if cause == Cause::WorkerLost { Why::Lost } else { Why::Failed(kind) };
            back(conn, job, Requeue { reason, failed: true, not_before }, why, now).await?
        }
    };
    Ok(if done { Fate::Requeued } else { Fate::Stale })
}

/// Queues the job again, through no fault of its own; its generation rises, so that the worker that had it can report no
/// more.
pub(crate) async fn requeue(
    conn: &mut Conn,
    job: &Job,
    reason: &str,
    why: Why,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    back(conn, job, Requeue { reason, failed: false, not_before }, why, now).await
}

async fn back(conn: &mut Conn, job: &Job, requeue: Requeue<'_>, why: Why, now: Timestamp) -> Result<bool> {
    let done = jobs::requeue(conn, job.id, job.generation, requeue, topology::JOBS, now).await?;
    if done {
        metrics::again(job, why);
        tracing::warn!(job_id = %job.id, kind = %job.kind, attempts = job.attempts, failures = job.failures,
            failed = requeue.failed, reason = requeue.reason, "job queued again");
    }
    Ok(done)
}

/// One ended job, as the nouns' files see it.
struct End<'a> {
    job: &'a Job,
    ending: Ending,
    reason: Option<&'a str>,
    /// Where it failed, if it did.
    cause: Cause,
    report: &'a Report,
    now: Timestamp,
}

impl End<'_> {
    fn succeeded(&self) -> bool {
        self.ending == Ending::Succeeded
    }
}

/// A row that is gone is an answer here, not an error.
pub(crate) fn found<T>(row: Result<T>) -> Result<Option<T>> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
