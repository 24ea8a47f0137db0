//! A worker takes the job that was assigned to it.

use db::jobs;
use domain::job::Job;
use domain::{Error, Result, Timestamp};
use proto::worker::claim_response::Answer;
use proto::worker::{ClaimRequest, ClaimResponse, Stale};
use stdx::report::Chain;

use super::Reporter;
use crate::core::Core;
use crate::{settle, spec};

pub(super) async fn claim(core: &Core, request: &ClaimRequest) -> Result<ClaimResponse> {
    let reporter = Reporter::parse(&request.worker_id, &request.job_id, request.generation)?;
    let now = Timestamp::now();
    let mut tx = core.database.begin("claim job").await?;
    let claimed =
        jobs::claim(&mut tx, reporter.job, reporter.generation, reporter.worker, core.lease_until(now), now).await?;
    let Some(job) = claimed else { return Ok(stale()) };
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

/// What the job is about is gone or was moved on: it ends here, and the worker forgets the hint.
async fn impossible(conn: &mut db::Conn, job: &Job, error: &Error, now: Timestamp) -> Result<()> {
    tracing::warn!(kind = %job.kind, error = %Chain(error), "claimed job cannot be done");
    settle::impossible(conn, job, error.kind(), error.message(), now).await.map(drop)
}

const fn stale() -> ClaimResponse {
    ClaimResponse { answer: Some(Answer::Stale(Stale {})) }
}
