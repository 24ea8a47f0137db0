//! Gives one queued job to a worker, in one transaction.

use db::{Conn, jobs, volumes, workers};
use domain::job::{Ending, Job, JobKind, JobState, Subject};
use domain::placement::{Candidate, Placement};
use domain::{JobId, Result, Timestamp, VolumeId, placement};
use messaging::topology;
use stdx::report::Chain;

use crate::core::Core;
use crate::need;
use crate::settle::{self, Report};

/// What became of a queued job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    Assigned,
    /// Cancelled before it ran, or it cannot be done at all.
    Ended,
    /// Nobody can take it now, or an earlier job must end first.
    Waits,
    /// It is not queued, or not due: somebody else was faster.
    NotQueued,
}

/// The live workers with their load.
pub(crate) async fn fleet(core: &Core, now: Timestamp) -> Result<Vec<Candidate>> {
    let mut conn = core.database.read().await?;
    workers::candidates(&mut conn, core.alive_since(now)).await
}

/// Places the job if it is queued and due; the chosen worker's load in `fleet` grows with it.
pub(crate) async fn place(core: &Core, id: JobId, fleet: &mut [Candidate], now: Timestamp) -> Result<Placed> {
    let mut tx = core.database.begin("place job").await?;
    let placed = place_in(&mut tx, core, id, fleet, now).await?;
    tx.commit().await?;
    match placed {
        Placed::Assigned => core.wake_relay(),
        Placed::Ended => core.wake_round(),
        Placed::Waits | Placed::NotQueued => {}
    }
    Ok(placed)
}

async fn place_in(conn: &mut Conn, core: &Core, id: JobId, fleet: &mut [Candidate], now: Timestamp) -> Result<Placed> {
    let Some(job) = jobs::get(conn, id).await? else { return Ok(Placed::NotQueued) };
    if job.state != JobState::Queued || job.not_before > now {
        return Ok(Placed::NotQueued);
    }
    if job.cancel_requested {
        let reason = Some("cancelled before it ran");
        settle::end(conn, &job, Ending::Cancelled, reason, &Report::default(), now).await?;
        return Ok(Placed::Ended);
    }
    if must_wait(conn, &job, now).await? {
        return Ok(Placed::Waits);
    }
    let need = match need::of(conn, &job).await {
        Ok(need) => need,
        Err(error) if !error.retryable() => {
            tracing::warn!(job_id = %job.id, error = %Chain(&error), "job can never be placed");
            let reason = Some(error.message());
            settle::end(conn, &job, Ending::Failed, reason, &Report::default(), now).await?;
            return Ok(Placed::Ended);
        }
        Err(error) => return Err(error),
    };
    let Some(chosen) = placement::place(&need, fleet) else {
        tracing::debug!(job_id = %job.id, kind = %job.kind, ?need, "no live worker can take the job now");
        return Ok(Placed::Waits);
    };
    if !assign(conn, core, &job, &chosen, now).await? {
        return Ok(Placed::NotQueued);
    }
    if let Some(worker) = fleet.iter_mut().find(|worker| worker.worker_id == chosen.worker_id) {
        worker.busy += 1;
    }
    Ok(Placed::Assigned)
}

async fn assign(conn: &mut Conn, core: &Core, job: &Job, chosen: &Placement, now: Timestamp) -> Result<bool> {
    let queue = topology::worker_queue(&chosen.worker_id.to_string());
    let pool = chosen.pool.as_deref();
    let lease_until = core.claim_until(now);
    let assigned = jobs::assign(conn, job.id, job.generation, chosen.worker_id, &queue, pool, lease_until, now).await?;
    let Some(generation) = assigned else { return Ok(false) };
    // `os-vol-host-attr:host` is `<host>@<backend>#<pool>` in Cinder; here backend and pool are the same thing.
    if let (Some(volume), Some(pool)) = (new_volume(&job.subject), pool) {
        volumes::set_place(conn, volume, pool, &format!("{host}@{pool}#{pool}", host = chosen.host), now).await?;
    }
    tracing::info!(job_id = %job.id, kind = %job.kind, generation, worker_id = %chosen.worker_id,
        host = chosen.host, pool, "job assigned");
    Ok(true)
}

/// The volume that the job brings into being; its place is recorded with the assignment.
const fn new_volume(subject: &Subject) -> Option<VolumeId> {
    match subject {
        Subject::VolumeCreate { volume_id } | Subject::BackupRestore { volume_id, new_volume: true, .. } => {
            Some(*volume_id)
        }
        _ => None,
    }
}

/// A deletion waits until everything asked for earlier about the same thing has ended: a backup that is still being written
/// would leave objects behind its own deletion. A backup or restore in the way of its backup's deletion is cancelled.
async fn must_wait(conn: &mut Conn, job: &Job, now: Timestamp) -> Result<bool> {
    let resource_id = match &job.subject {
        Subject::VolumeDelete { volume_id, .. } => volume_id.to_string(),
        Subject::SnapshotDelete { snapshot_id, .. } => snapshot_id.to_string(),
        Subject::BackupDelete { backup_id } => backup_id.to_string(),
        _ => return Ok(false),
    };
    let Some(other) = jobs::unfinished_about(conn, &resource_id).await? else { return Ok(false) };
    if other.id == job.id || (other.created_at, other.id) > (job.created_at, job.id) {
        return Ok(false);
    }
    let cancellable = matches!(other.kind, JobKind::BackupCreate | JobKind::BackupRestore);
    if job.kind == JobKind::BackupDelete && cancellable && !other.cancel_requested {
        jobs::request_cancel(conn, other.id, now).await?;
    }
    Ok(true)
}
