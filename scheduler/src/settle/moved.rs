//! What the end of a move does: the row points at the copy or stays, and what nobody points at is thrown away by a job of
//! its own. The copy lies under a name that is new with each move, so a worker that was lost and goes on writes what nobody
//! reads.

use db::jobs::NewJob;
use db::types::{self, extra_specs};
use db::{Conn, Scope, jobs, quotas, snapshots, volumes, workers};
use domain::job::Subject;
use domain::placement::Backend;
use domain::volume::Volume;
use domain::{Kind, Result, VolumeId};
use messaging::topology;

use super::End;

/// `is_ours`: nobody took the volume out of the job's hands.
pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, volume: &Volume, is_ours: bool) -> Result<()> {
    let Subject::VolumeMove { bytes_id, to_type, .. } = &end.job.subject else { return Ok(()) };
    let target = target(end).filter(|pool| volume.pool.as_deref() != Some(*pool));
    let done = end.succeeded() && is_ours;
    if let Some(pool) = target {
        let outcome = if done { "success" } else { "error" };
        volumes::set_migration_status(conn, volume.id, Some(outcome), end.now).await?;
        if done {
            let address = address(conn, end, volume, pool).await?;
            volumes::set_moved(conn, volume.id, *bytes_id, pool, &address).await?;
            discard(conn, end, volume.bytes_id(), volume.pool.as_deref()).await?;
        } else {
            discard(conn, end, *bytes_id, Some(pool)).await?;
        }
    } else if volume.is_migrating() {
        // It never came so far that a place was chosen.
        volumes::set_migration_status(conn, volume.id, Some("error"), end.now).await?;
    }
    match to_type {
        Some(type_id) if done => set_type(conn, volume, type_id).await,
        _ => Ok(()),
    }
}

/// The volume went while the job ran; the copy goes too.
pub(super) async fn forgone(conn: &mut Conn, end: &End<'_>) -> Result<()> {
    let Subject::VolumeMove { bytes_id, .. } = &end.job.subject else { return Ok(()) };
    match target(end) {
        Some(pool) => discard(conn, end, *bytes_id, Some(pool)).await,
        None => Ok(()),
    }
}

/// The pool in which there may be a copy.
fn target<'a>(end: &End<'a>) -> Option<&'a str> {
    end.job.pool.as_deref().filter(|_| end.job.attempts > 0)
}

async fn set_type(conn: &mut Conn, volume: &Volume, type_id: &str) -> Result<()> {
    match types::get(conn, &Scope::All, type_id).await {
        Ok(kind) => {
            let specs = extra_specs::get(conn, &kind.id).await?;
            let multiattach = specs.get("multiattach").is_some_and(|value| value == "<is> True");
            let kept = snapshots::of_volume(conn, volume.id).await?;
            let holding = |type_id: &str| volume.holding_as(type_id, &kept);
            // Whether it may was asked when the request was accepted.
            quotas::record(conn, &volume.project_id, &holding(&kind.id)).await?;
            quotas::release(conn, &volume.project_id, &holding(&volume.volume_type_id)).await?;
            volumes::set_type(conn, volume.id, &kind.id, multiattach).await
        }
        Err(error) if error.kind() == Kind::NotFound => {
            tracing::warn!(volume_id = %volume.id, type_id, "the type went while its first volume came; it keeps its own");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// `host@backend#pool` as the worker that made the copy reaches it.
async fn address(conn: &mut Conn, end: &End<'_>, volume: &Volume, pool: &str) -> Result<String> {
    let worker = match end.job.worker_id {
        Some(id) => workers::get(conn, id).await?,
        None => None,
    };
    let report = worker.as_ref().and_then(|worker| Some((worker, worker.pools.iter().find(|one| one.name == pool)?)));
    if let Some((worker, report)) = report {
        return Ok(report.address(&worker.host));
    }
    let host = volume.host.as_deref().and_then(|address| address.split('@').next()).unwrap_or_default();
    Ok(format!("{}#{pool}", Backend::of_pool(pool).service_host(host)))
}

async fn discard(conn: &mut Conn, end: &End<'_>, bytes_id: VolumeId, pool: Option<&str>) -> Result<()> {
    let job = NewJob {
        subject: Subject::VolumeDiscard { bytes_id },
        project_id: end.job.project_id.clone(),
        pool: pool.map(str::to_owned),
        request_id: end.job.request_id.clone(),
        traceparent: end.job.traceparent.clone(),
    };
    jobs::enqueue(conn, topology::JOBS, &job, end.now).await.map(drop)
}
