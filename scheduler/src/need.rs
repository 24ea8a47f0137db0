//! What a job needs from its worker, read from the rows it is about.

use db::types::extra_specs;
use db::{Conn, Scope, backups, groups, snapshots, volumes};
use domain::group;
use domain::job::{Job, Subject};
use domain::placement::Wants;
use domain::volume::{Volume, VolumeStatus};
use domain::{Error, Result, SnapshotId, VolumeId};

pub(crate) use domain::placement::Need;

const GIB: i64 = 1 << 30;

/// A pool in which an attempt was made stands for all later ones: bytes may lie there. An error that is not retryable means that the job can never
/// be done: what it is about is gone.
pub(crate) async fn of(conn: &mut Conn, job: &Job) -> Result<Need> {
    match &job.subject {
        Subject::VolumeMove { .. } => return change(conn, job).await,
        // While it waited the bytes may have gone elsewhere.
        Subject::VolumeDelete { volume_id, .. } => return rest_of(conn, *volume_id).await,
        Subject::VolumeCreate { volume_id } if job.attempts == 0 => return new_volume(conn, job, *volume_id).await,
        _ => {}
    }
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
                None => Ok(Need::NewVolume(wants(conn, &volume, &volume.volume_type_id).await?)),
            }
        }
        Subject::SnapshotDelete { volume_id, .. } => rest_of(conn, *volume_id).await,
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
        // These bytes never had a place.
        Subject::BackupDelete { .. } | Subject::VolumeDiscard { .. } => Ok(Need::Store),
        Subject::BackupImport { service, .. } => Ok(Need::StoreOf(service.clone())),
        Subject::BackupSweep { service, .. } => Ok(Need::WrittenBy(service.clone())),
        Subject::BackupVerify { backup_id } => {
            let backup = backups::get(conn, &Scope::All, &backup_id.to_string()).await?;
            Ok(Need::WrittenBy(backup.service.unwrap_or_default()))
        }
        Subject::VolumeMove { .. } | Subject::VolumeDelete { .. } => unreachable_kind(job),
    }
}

fn unreachable_kind(job: &Job) -> Result<Need> {
    Err(Error::internal(format!("What job {} needs was not asked for.", job.id)))
}

/// A volume that was never placed has no bytes: any worker can say that they are gone.
async fn rest_of(conn: &mut Conn, id: VolumeId) -> Result<Need> {
    Ok(volume(conn, id).await?.pool.map_or(Need::Store, Need::Pool))
}

/// Where a volume may be that gets another type, or shall be in another pool.
async fn change(conn: &mut Conn, job: &Job) -> Result<Need> {
    let Subject::VolumeMove { volume_id, to_type, to_pool, may_move, was, .. } = &job.subject else {
        return unreachable_kind(job);
    };
    let row = volume(conn, *volume_id).await?;
    let Need::Pool(from) = pool_of(conn, *volume_id).await? else { return unreachable_kind(job) };
    let begun = job.pool.clone().filter(|_| job.attempts > 0);
    if let Some(pool) = begun.or_else(|| to_pool.clone()) {
        // It is decided where it goes, whatever its type says.
        let wants = Wants { pool: Some(pool), ..Wants::default() };
        return Ok(Need::Move { from, wants, bound: None });
    }
    let wants = wants(conn, &row, to_type.as_ref().unwrap_or(&row.volume_type_id)).await?;
    let bound = if !may_move {
        Some("The volume would have to move to another backend, and the migration policy is never.")
    } else if *was == VolumeStatus::InUse {
        Some("The volume would have to move to another backend, and a volume in use cannot.")
    } else if !snapshots::of_volume(conn, row.id).await?.is_empty() {
        Some("Invalid volume: Volume must not have snapshots.")
    } else {
        None
    };
    Ok(Need::Move { from, wants, bound: bound.map(str::to_owned) })
}

/// A copy is made where its source lies, an empty volume wherever there is room.
async fn new_volume(conn: &mut Conn, job: &Job, id: VolumeId) -> Result<Need> {
    let volume = volume(conn, id).await?;
    if let Some(need) = begun_in(job, &volume) {
        return Ok(need);
    }
    let of_group = with_group(conn, &volume).await?;
    let source = match (volume.snapshot_id, volume.source_volume_id) {
        (Some(snapshot), _) => Some(source_of_snapshot(conn, snapshot).await?),
        (None, source) => source,
    };
    let of_source = match source {
        Some(source) => Some(pool_of(conn, source).await?),
        None => None,
    };
    let wants = wants(conn, &volume, &volume.volume_type_id).await?;
    match (of_group, of_source) {
        (Some(of_group), Some(of_source)) if of_group != of_source => Err(group::not_local()),
        (_, Some(Need::Pool(pool))) | (Some(Need::Pool(pool)), None) => {
            Ok(Need::NewVolume(Wants { pool: Some(pool), zone: None, ..wants }))
        }
        _ => Ok(Need::NewVolume(wants)),
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

/// What the volume needs of its place if it is of this type.
async fn wants(conn: &mut Conn, volume: &Volume, type_id: &str) -> Result<Wants> {
    Ok(Wants {
        size_bytes: volume.size_gb.saturating_mul(GIB),
        specs: extra_specs::get(conn, type_id).await?.into(),
        zone: Some(volume.availability_zone.clone()),
        pool: None,
    })
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
