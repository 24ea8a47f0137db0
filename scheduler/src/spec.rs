//! The specification of a claimed job: everything its worker must know, read from the rows in the claim's transaction.

use db::sharing::{self, Standing};
use db::{Conn, Scope, backups, group_snapshots, metadata, snapshots, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::group_snapshot::GroupSnapshotStatus;
use domain::group_type::keeps_one_instant;
use domain::ids::GroupSnapshotId;
use domain::job::{Job, Subject};
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{Volume, VolumeStatus};
use domain::{BackupId, Error, Kind, Result, SnapshotId, VolumeId};
use format::VolumeMeta;
use proto::worker::sweep_backup::Spares;
use proto::worker::{self as wire, create_volume::Source, job::Work};

use crate::settle::import;

/// An error that is not retryable means that the job cannot be done: a row is gone or is not in the status that the job's
/// request gave it.
pub(crate) async fn of(conn: &mut Conn, job: &Job) -> Result<wire::Job> {
    let work = work(conn, job).await?;
    Ok(wire::Job {
        id: job.id.to_string(),
        generation: job.generation,
        attempt: job.attempts,
        request_id: job.request_id.clone().unwrap_or_default(),
        work: Some(work),
    })
}

async fn work(conn: &mut Conn, job: &Job) -> Result<Work> {
    Ok(match &job.subject {
        Subject::VolumeCreate { volume_id } => Work::CreateVolume(create_volume(conn, *volume_id).await?),
        Subject::VolumeDelete { volume_id, keep_data } => {
            Work::DeleteVolume(delete_volume(conn, *volume_id, *keep_data).await?)
        }
        Subject::VolumeExtend { volume_id, new_size_gb, .. } => {
            let volume = wire_volume(&volume(conn, *volume_id).await?);
            Work::ExtendVolume(wire::ExtendVolume { volume: Some(volume), new_size_gb: *new_size_gb })
        }
        Subject::VolumeManage { volume_id, source } => {
            let volume = wire_volume(&volume(conn, *volume_id).await?);
            let released = is_released(conn, source).await?;
            Work::ManageVolume(wire::ManageVolume { volume: Some(volume), source: source.clone(), released })
        }
        Subject::VolumeRevert { volume_id, snapshot_id } => {
            let volume = volume(conn, *volume_id).await?;
            let snapshot = wire_snapshot(&snapshot(conn, *snapshot_id).await?, &volume);
            Work::RevertVolume(wire::RevertVolume { volume: Some(wire_volume(&volume)), snapshot: Some(snapshot) })
        }
        Subject::VolumeMove { volume_id, bytes_id, .. } => {
            Work::MoveVolume(move_volume(conn, job, *volume_id, *bytes_id).await?)
        }
        Subject::VolumeDiscard { bytes_id } => {
            let pool = job.pool.clone().unwrap_or_default();
            let volume = wire::Volume { id: bytes_id.to_string(), pool, size_gb: 0 };
            Work::DeleteVolume(wire::DeleteVolume { volume: Some(volume), keep_data: false, snapshots: Vec::new() })
        }
        Subject::SnapshotCreate { snapshot_id, volume_id } => {
            let volume = volume(conn, *volume_id).await?;
            let snapshot = wire_snapshot(&snapshot(conn, *snapshot_id).await?, &volume);
            Work::CreateSnapshot(wire::CreateSnapshot { snapshot: Some(snapshot), volume: Some(wire_volume(&volume)) })
        }
        Subject::SnapshotDelete { snapshot_id, volume_id, keep_data } => {
            let volume = volume(conn, *volume_id).await?;
            let row = snapshot(conn, *snapshot_id).await?;
            let group_snapshot_id = row.group_snapshot_id.map(|id| id.to_string());
            let snapshot = wire_snapshot(&row, &volume);
            let keep_data = *keep_data;
            Work::DeleteSnapshot(wire::DeleteSnapshot { snapshot: Some(snapshot), keep_data, group_snapshot_id })
        }
        Subject::SnapshotManage { snapshot_id, volume_id, source } => {
            Work::ManageSnapshot(manage_snapshot(conn, *snapshot_id, *volume_id, source).await?)
        }
        Subject::GroupSnapshotCreate { group_snapshot_id, .. } => {
            Work::CreateGroupSnapshot(create_group_snapshot(conn, *group_snapshot_id).await?)
        }
        Subject::BackupCreate { backup_id, volume_id, snapshot_id, freeze } => {
            let backup = expect_backup(conn, *backup_id, BackupStatus::Creating, "Create").await?;
            Work::CreateBackup(create_backup(conn, &backup, *volume_id, *snapshot_id, *freeze).await?)
        }
        Subject::BackupRestore { backup_id, volume_id, new_volume } => {
            expect_backup(conn, *backup_id, BackupStatus::Restoring, "Restore").await?;
            let chain = backups::chain(conn, *backup_id).await?.iter().map(wire_backup).collect();
            let volume = wire_volume(&volume(conn, *volume_id).await?);
            Work::RestoreBackup(wire::RestoreBackup { chain, volume: Some(volume), new_volume: *new_volume })
        }
        Subject::BackupDelete { backup_id } => {
            let backup = expect_backup(conn, *backup_id, BackupStatus::Deleting, "Delete").await?;
            Work::DeleteBackup(wire::DeleteBackup { backup: Some(wire_backup(&backup)) })
        }
        Subject::BackupImport { backup_id, record, .. } => {
            let placeholder = expect_backup(conn, *backup_id, BackupStatus::Creating, "Import").await?;
            let backup = import::described(placeholder, record)?;
            Work::ImportBackup(wire::ImportBackup { backup: Some(wire_backup(&backup)) })
        }
        Subject::BackupSweep { .. } => Work::SweepBackup(sweep_backup(conn, &job.subject).await?),
        Subject::BackupVerify { backup_id } => Work::VerifyBackup(verify_backup(conn, *backup_id).await?),
    })
}

async fn manage_snapshot(
    conn: &mut Conn,
    snapshot_id: SnapshotId,
    volume_id: VolumeId,
    source: &str,
) -> Result<wire::ManageSnapshot> {
    let volume = volume(conn, volume_id).await?;
    let snapshot = wire_snapshot(&snapshot(conn, snapshot_id).await?, &volume);
    let released = is_released(conn, source).await?;
    let volume = Some(wire_volume(&volume));
    Ok(wire::ManageSnapshot { snapshot: Some(snapshot), volume, source: source.to_owned(), released })
}

/// Whether the source bears the name of a volume or snapshot that was taken out of management. Ids are never given twice, so
/// the answer stands.
async fn is_released(conn: &mut Conn, source: &str) -> Result<bool> {
    let name = source.rsplit('/').next().unwrap_or_default();
    let row = match (name.strip_prefix("volume-"), name.strip_prefix("snapshot-")) {
        // A volume that came from another pool has its bytes under another id than its own.
        (Some(id), _) if volumes::has_bytes(conn, id).await? => return Ok(false),
        (Some(id), _) if id.parse::<VolumeId>().is_ok() => volumes::get(conn, &Scope::All, id).await.map(drop),
        (_, Some(id)) if id.parse::<SnapshotId>().is_ok() => snapshots::get(conn, &Scope::All, id).await.map(drop),
        _ => return Ok(false),
    };
    match row {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

async fn create_volume(conn: &mut Conn, id: VolumeId) -> Result<wire::CreateVolume> {
    let row = volume(conn, id).await?;
    let source = match (row.snapshot_id, row.source_volume_id) {
        (Some(snapshot_id), _) => {
            let snapshot = snapshot(conn, snapshot_id).await?;
            let of = volume(conn, snapshot.volume_id).await?;
            Some(Source::Snapshot(wire_snapshot(&snapshot, &of)))
        }
        (None, Some(source)) => Some(Source::SourceVolume(wire_volume(&volume(conn, source).await?))),
        (None, None) => None,
    };
    Ok(wire::CreateVolume { volume: Some(wire_volume(&row)), source })
}

async fn create_group_snapshot(conn: &mut Conn, id: GroupSnapshotId) -> Result<wire::CreateGroupSnapshot> {
    let row = group_snapshots::get(conn, &Scope::All, &id.to_string()).await?;
    if row.status != GroupSnapshotStatus::Creating {
        return Err(Error::invalid(format!("Invalid GroupSnapshot: its status is {}, not creating.", row.status)));
    }
    let specs = metadata::get(conn, &row.group_type_id.to_string()).await?;
    let mut parts = Vec::new();
    for part in snapshots::of_group_snapshot(conn, id).await? {
        let volume = volume(conn, part.volume_id).await?;
        let snapshot = wire_snapshot(&part, &volume);
        parts.push(wire::CreateSnapshot { snapshot: Some(snapshot), volume: Some(wire_volume(&volume)) });
    }
    Ok(wire::CreateGroupSnapshot { id: id.to_string(), snapshots: parts, one_instant: keeps_one_instant(&specs) })
}

/// Who reset the status took the volume out of this job's hands: it may be in use now.
async fn move_volume(conn: &mut Conn, job: &Job, id: VolumeId, bytes_id: VolumeId) -> Result<wire::MoveVolume> {
    let row = volume(conn, id).await?;
    if !matches!(row.status, VolumeStatus::Retyping | VolumeStatus::Maintenance) {
        return Err(Error::invalid(format!(
            "Invalid volume: Volume {id} was to be moved or retyped, but its status is {}.",
            row.status
        )));
    }
    let to = job.pool.clone().filter(|pool| row.pool.as_ref() != Some(pool));
    let to = to.map(|pool| wire::Volume { id: bytes_id.to_string(), pool, size_gb: row.size_gb });
    Ok(wire::MoveVolume { from: Some(wire_volume(&row)), to })
}

/// With a cascade the snapshots were set to `deleting` when the request was accepted; others do not go.
async fn delete_volume(conn: &mut Conn, id: VolumeId, keep_data: bool) -> Result<wire::DeleteVolume> {
    let row = volume(conn, id).await?;
    let snapshots = snapshots::of_volume(conn, id).await?;
    let going = snapshots.iter().filter(|snapshot| snapshot.status == SnapshotStatus::Deleting);
    let snapshots = going.map(|snapshot| wire_snapshot(snapshot, &row)).collect();
    Ok(wire::DeleteVolume { volume: Some(wire_volume(&row)), keep_data, snapshots })
}

async fn create_backup(
    conn: &mut Conn,
    backup: &Backup,
    volume_id: VolumeId,
    snapshot_id: Option<SnapshotId>,
    freeze: bool,
) -> Result<wire::CreateBackup> {
    let row = volume(conn, volume_id).await?;
    let snapshot = match snapshot_id {
        Some(id) => Some(wire_snapshot(&snapshot(conn, id).await?, &row)),
        None => None,
    };
    let parent = match backup.parent_id {
        Some(id) => Some(wire_backup(&backup_row(conn, id).await?)),
        None => None,
    };
    let pairs = metadata::get(conn, &volume_id.to_string()).await?;
    Ok(wire::CreateBackup {
        backup: Some(wire_backup(backup)),
        volume: Some(wire_volume(&row)),
        snapshot,
        freeze,
        parent,
        volume_meta: VolumeMeta::describe(&row, &pairs),
    })
}

/// A restore that was asked for meanwhile reads the same objects and changes none.
async fn verify_backup(conn: &mut Conn, id: BackupId) -> Result<wire::VerifyBackup> {
    if backup_row(conn, id).await?.status != BackupStatus::Restoring {
        expect_backup(conn, id, BackupStatus::Available, "Verify").await?;
    }
    let chain = backups::chain(conn, id).await?.iter().map(wire_backup).collect();
    Ok(wire::VerifyBackup { chain })
}

/// What may go is what no row and no whole backup names; all of it goes only where the backup was never made.
async fn sweep_backup(conn: &mut Conn, subject: &Subject) -> Result<wire::SweepBackup> {
    let Subject::BackupSweep { backup_id, container, prefix, service, size_gb, made } = subject else {
        return Err(Error::internal("Another job was to be a sweep."));
    };
    let spares = match sharing::standing(conn, *backup_id, container, prefix).await? {
        Standing::Itself if !made => Spares::Nothing,
        Standing::Nobody => Spares::Whole,
        Standing::Itself | Standing::Somebody => Spares::Rest,
    };
    let backup = wire::Backup {
        id: backup_id.to_string(),
        size_gb: *size_gb,
        container: Some(container.clone()),
        prefix: Some(prefix.clone()),
        service: Some(service.clone()),
        ..wire::Backup::default()
    };
    Ok(wire::SweepBackup { backup: Some(backup), spares: spares.into() })
}

/// Contract §2.2, step 6, and its likes for restore and delete.
async fn expect_backup(conn: &mut Conn, id: BackupId, expected: BackupStatus, act: &str) -> Result<Backup> {
    let backup = backup_row(conn, id).await?;
    if backup.status != expected {
        return Err(Error::invalid(format!(
            "{act} backup aborted, expected backup status {expected} but got {}.",
            backup.status
        )));
    }
    Ok(backup)
}

async fn volume(conn: &mut Conn, id: VolumeId) -> Result<Volume> {
    volumes::get(conn, &Scope::All, &id.to_string()).await
}

async fn snapshot(conn: &mut Conn, id: SnapshotId) -> Result<Snapshot> {
    snapshots::get(conn, &Scope::All, &id.to_string()).await
}

async fn backup_row(conn: &mut Conn, id: BackupId) -> Result<Backup> {
    backups::get(conn, &Scope::All, &id.to_string()).await
}

fn wire_volume(volume: &Volume) -> wire::Volume {
    let pool = volume.pool.clone().unwrap_or_default();
    wire::Volume { id: volume.bytes_id().to_string(), pool, size_gb: volume.size_gb }
}

fn wire_snapshot(snapshot: &Snapshot, of: &Volume) -> wire::Snapshot {
    wire::Snapshot {
        id: snapshot.id.to_string(),
        volume_id: of.id.to_string(),
        pool: of.pool.clone().unwrap_or_default(),
    }
}

fn wire_backup(backup: &Backup) -> wire::Backup {
    wire::Backup {
        id: backup.id.to_string(),
        volume_id: backup.volume_id.to_string(),
        size_gb: backup.size_gb,
        name: backup.name.clone(),
        description: backup.description.clone(),
        container: backup.container.clone(),
        prefix: backup.service_metadata.clone(),
        parent_id: backup.parent_id.map(|id| id.to_string()),
        created_at_micros: backup.created_at.micros(),
        service: backup.service.clone(),
        of_snapshot: backup.snapshot_id.is_some(),
    }
}
