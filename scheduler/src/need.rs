//! What a job needs from its worker, read from the rows it is about.

use db::{Conn, Scope, groups, snapshots, volumes};
use domain::group;
use domain::job::{Job, Subject};
use domain::volume::Volume;
use domain::{Error, Result, SnapshotId, VolumeId};

pub(crate) use domain::placement::Need;

const GIB: i64 = 1 << 30;

/// A pool in which an attempt was made stands for all later ones: bytes may lie there. An error that is not retryable means that the job can never
/// be done: what it is about is gone.
pub(crate) async fn of(conn: &mut Conn, job: &Job) -> Result<Need> {
    if let Some(pool) = &job.pool {
        check_group(conn, job, pool).await?;
        return Ok(Need::Pool(pool.clone()));
    }
    match &job.subject {
        Subject::VolumeCreate { volume_id } => new_volume(conn, job, *volume_id).await,
        Subject::BackupRestore { volume_id, new_volume: true, .. } => {
            let volume = volume(conn, *volume_id).await?;
            match begun_in(job, &volume).or(with_group(conn, &volume).await?) {
                Some(need) => Ok(need),
                None => Ok(any_pool(&volume)),
            }
        }
        // A volume that was never placed has no bytes: any worker can say that they are gone.
        Subject::VolumeDelete { volume_id, .. } | Subject::SnapshotDelete { volume_id, .. } => {
            let pool = volume(conn, *volume_id).await?.pool;
            Ok(pool.map_or(Need::Store, Need::Pool))
        }
        Subject::VolumeManage { volume_id, .. }
        | Subject::VolumeExtend { volume_id, .. }
        | Subject::VolumeRevert { volume_id, .. }
        | Subject::SnapshotManage { volume_id, .. }
        | Subject::SnapshotCreate { volume_id, .. }
        | Subject::BackupCreate { volume_id, .. }
        | Subject::BackupRestore { volume_id, new_volume: false, .. } => pool_of(conn, *volume_id).await,
        Subject::GroupSnapshotCreate { group_id, .. } => {
            let pool = groups::pool_of(conn, *group_id, None).await?;
            pool.map(Need::Pool).ok_or_else(|| Error::invalid(format!("Invalid Group: Group {group_id} is empty.")))
        }
        Subject::BackupDelete { .. } => Ok(Need::Store),
        Subject::BackupImport { service, .. } => Ok(Need::StoreOf(service.clone())),
    }
}

/// A copy is made where its source lies, an empty volume wherever there is room.
async fn new_volume(conn: &mut Conn, job: &Job, id: VolumeId) -> Result<Need> {
    let volume = volume(conn, id).await?;
    if let Some(need) = begun_in(job, &volume) {
        return Ok(need);
    }
    let of_group = with_group(conn, &volume).await?;
    let of_source = match (volume.snapshot_id, volume.source_volume_id) {
        (Some(snapshot), _) => {
            let source = source_of_snapshot(conn, snapshot).await?;
            pool_of(conn, source).await?
        }
        (None, Some(source)) => pool_of(conn, source).await?,
        (None, None) => return Ok(of_group.unwrap_or_else(|| any_pool(&volume))),
    };
    match of_group {
        Some(of_group) if of_group != of_source => Err(group::not_local()),
        _ => Ok(of_source),
    }
}

/// A copy lies where its source does, and its group may have got another place since it was asked for.
async fn check_group(conn: &mut Conn, job: &Job, pool: &str) -> Result<()> {
    let Subject::VolumeCreate { volume_id } = &job.subject else { return Ok(()) };
    let volume = volume(conn, *volume_id).await?;
    match with_group(conn, &volume).await? {
        Some(Need::Pool(of_group)) if of_group != pool => Err(group::not_local()),
        _ => Ok(()),
    }
}

/// A group lies in one pool: where its first volume was placed.
async fn with_group(conn: &mut Conn, volume: &Volume) -> Result<Option<Need>> {
    let Some(group) = volume.group_id else { return Ok(None) };
    Ok(groups::pool_of(conn, group, Some(volume.id)).await?.map(Need::Pool))
}

/// The pool that a new volume was begun in. Where nobody has claimed the job yet, the volume's row names at most a pool whose
/// worker never came.
fn begun_in(job: &Job, volume: &Volume) -> Option<Need> {
    if job.attempts > 0 { volume.pool.clone().map(Need::Pool) } else { None }
}

async fn source_of_snapshot(conn: &mut Conn, id: SnapshotId) -> Result<VolumeId> {
    Ok(snapshots::get(conn, &Scope::All, &id.to_string()).await?.volume_id)
}

fn any_pool(volume: &Volume) -> Need {
    Need::AnyPool { size_bytes: volume.size_gb.saturating_mul(GIB) }
}

async fn pool_of(conn: &mut Conn, id: VolumeId) -> Result<Need> {
    let pool = volume(conn, id).await?.pool;
    pool.map(Need::Pool).ok_or_else(|| {
        Error::invalid(format!("Invalid volume: Volume {id} was never placed in a pool; create it again."))
    })
}

async fn volume(conn: &mut Conn, id: VolumeId) -> Result<Volume> {
    volumes::get(conn, &Scope::All, &id.to_string()).await
}
