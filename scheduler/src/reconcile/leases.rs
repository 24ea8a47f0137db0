//! Jobs whose worker is gone, or never came for them.

use db::{Conn, jobs, quotas};
use domain::job::{Job, JobState};
use domain::{Result, Timestamp};

use crate::core::Core;
use crate::metrics::{self, Why};
use crate::settle;

const JOBS_AT_ONCE: i64 = 100;
/// Before an assignment that nobody claimed is tried again: time enough for its worker to be known as dead.
const CLAIM_RETRY_SECS: i64 = 1;
/// A lost attempt that brought the job further by one of so many parts is no failure. So there are not many more attempts than
/// parts, even if the job is what kills its workers.
const PARTS_OF_PROGRESS: i64 = 256;
/// As long as after a first failure.
const LOST_RETRY_SECS: i64 = 1;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let expired = jobs::expired(&mut core.database.read().await?, now, JOBS_AT_ONCE).await?;
    for job in &expired {
        if let Err(error) = end_lease(core, job, now).await {
            core.outlive(job.id, "lease not ended; the next pass tries again", error).await?;
        }
    }
    if !expired.is_empty() {
        core.wake_relay();
        core.wake_round();
    }
    Ok(())
}

async fn end_lease(core: &Core, seen: &Job, now: Timestamp) -> Result<()> {
    let mut tx = core.database.begin("end lease").await?;
    quotas::hold(&mut tx, &seen.project_id).await?;
    // A claim or a heartbeat may have come since the lease was read, or come now: the row is locked first.
    if let Some(job) = jobs::hold_expired(&mut tx, seen, now).await? {
        decide(&mut tx, &job, now).await?;
    }
    tx.commit().await
}

async fn decide(conn: &mut Conn, job: &Job, now: Timestamp) -> Result<()> {
    let worker = job.worker_id.map(|id| id.to_string()).unwrap_or_default();
    if job.state == JobState::Assigned {
        let reason = format!("worker {worker} did not take the job in time");
        return settle::requeue(conn, job, &reason, Why::Unclaimed, now.plus_secs(CLAIM_RETRY_SECS), now)
            .await
            .map(drop);
    }
    metrics::lost();
    let reason = format!("The backup worker {worker} was lost while it ran the job; see its log.");
    if job.progress.done_bytes - job.furthest_bytes > job.progress.total_bytes / PARTS_OF_PROGRESS {
        // It came further than any attempt before: a fleet that is restarted often must not end a long transfer.
        return settle::requeue(conn, job, &reason, Why::Lost, now.plus_secs(LOST_RETRY_SECS), now).await.map(drop);
    }
    settle::lost(conn, job, &reason, now).await.map(drop)
}
