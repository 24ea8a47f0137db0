//! Jobs whose worker is gone, or never came for them.

use db::{Conn, jobs};
use domain::job::{Job, JobState};
use domain::{Kind, Result, Timestamp};

use crate::core::Core;
use crate::settle;

const JOBS_AT_ONCE: i64 = 100;
/// Before an assignment that nobody claimed is tried again: time enough for its worker to be known as dead.
const CLAIM_RETRY_SECS: i64 = 1;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let expired = jobs::expired(&mut core.database.read().await?, now, JOBS_AT_ONCE).await?;
    for job in &expired {
        let mut tx = core.database.begin("end lease").await?;
        end_lease(&mut tx, job, now).await?;
        tx.commit().await?;
    }
    if !expired.is_empty() {
        core.wake_relay();
        core.wake_round();
    }
    Ok(())
}

async fn end_lease(conn: &mut Conn, seen: &Job, now: Timestamp) -> Result<()> {
    // A heartbeat may have come since the lease was read.
    let Some(job) = jobs::get(conn, seen.id).await? else { return Ok(()) };
    let expired = job.lease_expires_at.is_some_and(|end| end < now);
    if job.generation != seen.generation || job.state.is_terminal() || !expired {
        return Ok(());
    }
    let worker = job.worker_id.map(|id| id.to_string()).unwrap_or_default();
    if job.state == JobState::Assigned {
        let reason = format!("worker {worker} did not take the job in time");
        return settle::requeue(conn, &job, &reason, now.plus_secs(CLAIM_RETRY_SECS), now).await.map(drop);
    }
    let reason = format!("The backup worker {worker} was lost while it ran the job; see its log.");
    settle::failed(conn, &job, Kind::Unavailable, &reason, now).await.map(drop)
}
