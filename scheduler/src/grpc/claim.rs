//! A worker takes the job that was assigned to it.

use db::{Scope, backups, jobs, quotas, sharing};
use domain::backup::BackupStatus;
use domain::job::{Ending, Job, Subject};
use domain::{Error, Result, Timestamp};
use proto::worker::claim_response::Answer;
use proto::worker::{ClaimRequest, ClaimResponse, Stale};
use stdx::report::Chain;

use super::Reporter;
use crate::core::Core;
use crate::notify;
use crate::settle::{self, Report};
use crate::spec;

pub(super) async fn claim(core: &Core, request: &ClaimRequest) -> Result<ClaimResponse> {
    let reporter = Reporter::parse(&request.worker_id, &request.job_id, request.generation)?;
    let now = Timestamp::now();
    let mut tx = core.database.begin("claim job").await?;
    // It may end here.
    quotas::hold_for_job(&mut tx, reporter.job).await?;
    let claimed =
        jobs::claim(&mut tx, reporter.job, reporter.generation, reporter.worker, core.lease_until(now), now).await?;
    let Some(job) = claimed else { return Ok(stale()) };
    notify::started(core, &mut tx, &job, now).await?;
    if keeps_objects(&mut tx, &job).await? {
        let before = notify::before_end(core, &mut tx, &job).await?;
        settle::end(&mut tx, &job, Ending::Succeeded, None, &Report::default(), now).await?;
        notify::ended(core, &mut tx, &job, before, now).await?;
        tx.commit().await?;
        core.wake_round();
        return Ok(stale());
    }
    match spec::of(&mut tx, &job).await {
        Ok(spec) => {
            tx.commit().await?;
            tracing::info!(kind = %job.kind, attempt = job.attempts, worker_id = %reporter.worker, "job claimed");
            Ok(ClaimResponse { answer: Some(Answer::Job(spec)) })
        }
        Err(error) if error.retryable() => Err(error),
        Err(error) => {
            impossible(&mut tx, &job, &error, now).await?;
            tx.commit().await?;
            core.wake_round();
            Ok(stale())
        }
    }
}

/// A deletion that leaves nothing to do: another backup needs the objects, and the row alone goes. Decided and done in one
/// transaction, so that of several such backups the last one takes the objects along, and no other.
async fn keeps_objects(conn: &mut db::Conn, job: &Job) -> Result<bool> {
    let Subject::BackupDelete { backup_id } = job.subject else { return Ok(false) };
    if !sharing::has_others(conn, backup_id).await? {
        return Ok(false);
    }
    // An operator may have set another status since.
    let backup = backups::get(conn, &Scope::All, &backup_id.to_string()).await?;
    Ok(backup.status == BackupStatus::Deleting)
}

/// What the job is about is gone or was moved on: it ends here, and the worker forgets the hint.
async fn impossible(conn: &mut db::Conn, job: &Job, error: &Error, now: Timestamp) -> Result<()> {
    tracing::warn!(kind = %job.kind, error = %Chain(error), "claimed job cannot be done");
    settle::impossible(conn, job, error.kind(), error.message(), now).await.map(drop)
}

const fn stale() -> ClaimResponse {
    ClaimResponse { answer: Some(Answer::Stale(Stale {})) }
}
