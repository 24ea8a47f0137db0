//! The end of a job: one transaction in which the job ends and every row it was about gets its final state.
//!
//! `domain::settle` says what becomes of which row; here it is applied. A row that vanished meanwhile, or that somebody moved
//! to another status (a force delete, an operator's reset), is left alone: what ended is the job, not their wish.

mod backup;
mod replay;
mod snapshot;
mod volume;

use db::{Conn, checkpoints, jobs};
use domain::job::{self, Ending, Job, JobEvent};
use domain::settle::settle;
use domain::{Kind, Result, Timestamp};
use format::VolumeMeta;
use messaging::topology;

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

/// Ends the job. False: the generation is dead, nothing was changed.
pub(crate) async fn end(
    conn: &mut Conn,
    job: &Job,
    ending: Ending,
    reason: Option<&str>,
    report: &Report,
    now: Timestamp,
) -> Result<bool> {
    if !jobs::finish(conn, job.id, job.generation, ending, reason, now).await? {
        return Ok(false);
    }
    let end = End { job, ending, reason, report, now };
    let effects = settle(&job.subject, ending);
    backup::apply(conn, &end, &effects).await?;
    snapshot::apply(conn, &end, effects.snapshot).await?;
    volume::apply(conn, &end, effects.volume).await?;
    checkpoints::delete(conn, job.id).await?;
    match ending {
        Ending::Succeeded => tracing::info!(job_id = %job.id, kind = %job.kind, "job succeeded"),
        Ending::Failed => tracing::warn!(job_id = %job.id, kind = %job.kind, reason, "job failed"),
        Ending::Cancelled => tracing::info!(job_id = %job.id, kind = %job.kind, reason, "job cancelled"),
    }
    Ok(true)
}

/// Queues the job again or ends it, by what went wrong and how often it was tried.
pub(crate) async fn failed(conn: &mut Conn, job: &Job, kind: Kind, reason: &str, now: Timestamp) -> Result<Fate> {
    let done = match job::after_failure(kind, job.attempts) {
        JobEvent::Finish(ending) => {
            let ended = end(conn, job, ending, Some(reason), &Report::default(), now).await?;
            return Ok(if ended { Fate::Ended } else { Fate::Stale });
        }
        _ => requeue(conn, job, reason, now.plus_secs(job::retry_delay_secs(job.attempts)), now).await?,
    };
    Ok(if done { Fate::Requeued } else { Fate::Stale })
}

/// Queues the job again; its generation rises, so that the worker that had it can report no more.
pub(crate) async fn requeue(
    conn: &mut Conn,
    job: &Job,
    reason: &str,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let done = jobs::requeue(conn, job.id, job.generation, reason, not_before, topology::JOBS, now).await?;
    if done {
        tracing::warn!(job_id = %job.id, kind = %job.kind, attempts = job.attempts, reason, "job queued again");
    }
    Ok(done)
}

/// One ended job, as the nouns' files see it.
struct End<'a> {
    job: &'a Job,
    ending: Ending,
    reason: Option<&'a str>,
    report: &'a Report,
    now: Timestamp,
}

impl End<'_> {
    fn succeeded(&self) -> bool {
        self.ending == Ending::Succeeded
    }
}

/// A row that is gone is an answer here, not an error.
fn found<T>(row: Result<T>) -> Result<Option<T>> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
