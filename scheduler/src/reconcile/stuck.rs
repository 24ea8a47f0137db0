//! Volumes, snapshots, backups and groups that wait for a job that does not exist (any more): they get the status that a failed job
//! would have given them. No way of a job leads here; it is for rows that were changed by hand, or restored from a dump.

use db::{Conn, backups, group_snapshots, groups, jobs, quotas, snapshots, volumes};
use domain::backup::BackupStatus;
use domain::group::GroupStatus;
use domain::group_snapshot::GroupSnapshotStatus;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Result, Timestamp};

use crate::core::Core;
use crate::settle;

/// Untouched for so long: no request is in the middle of it.
const STUCK_SECS: i64 = 60;
const ROWS_AT_ONCE: i64 = 100;
const REASON: &str = "No job works on the backup any more; its status was reset. Try again.";

const VOLUMES: [(VolumeStatus, VolumeStatus); 8] = [
    (VolumeStatus::Creating, VolumeStatus::Error),
    (VolumeStatus::Deleting, VolumeStatus::ErrorDeleting),
    (VolumeStatus::Unmanaging, VolumeStatus::ErrorDeleting),
    (VolumeStatus::Extending, VolumeStatus::ErrorExtending),
    (VolumeStatus::Managing, VolumeStatus::ErrorManaging),
    (VolumeStatus::Retyping, VolumeStatus::Available),
    (VolumeStatus::RestoringBackup, VolumeStatus::ErrorRestoring),
    (VolumeStatus::Reverting, VolumeStatus::Error),
];
const SNAPSHOTS: [(SnapshotStatus, SnapshotStatus); 5] = [
    (SnapshotStatus::Creating, SnapshotStatus::Error),
    (SnapshotStatus::Deleting, SnapshotStatus::ErrorDeleting),
    (SnapshotStatus::Unmanaging, SnapshotStatus::ErrorDeleting),
    (SnapshotStatus::BackingUp, SnapshotStatus::Available),
    (SnapshotStatus::Restoring, SnapshotStatus::Available),
];
const BACKUPS: [(BackupStatus, BackupStatus); 3] = [
    (BackupStatus::Creating, BackupStatus::Error),
    (BackupStatus::Deleting, BackupStatus::Error),
    (BackupStatus::Restoring, BackupStatus::Available),
];

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let before = now.minus_secs(STUCK_SECS);
    let mut tx = core.database.begin("reset stuck resources").await?;
    reset_backups(&mut tx, before, now).await?;
    reset_snapshots(&mut tx, before, now).await?;
    reset_volumes(&mut tx, before, now).await?;
    // Groups follow what they hold, which is settled now.
    reset_group_snapshots(&mut tx, before, now).await?;
    reset_groups(&mut tx, before, now).await?;
    tx.commit().await
}

async fn reset_backups(conn: &mut Conn, before: Timestamp, now: Timestamp) -> Result<()> {
    let statuses = BACKUPS.map(|(stuck, _)| stuck);
    for backup in backups::stuck(conn, &statuses, before, ROWS_AT_ONCE).await? {
        let Some((from, to)) = BACKUPS.into_iter().find(|(stuck, _)| *stuck == backup.status) else { continue };
        if backups::change_status(conn, backup.id, &[from], to, now).await? {
            backups::set_fail_reason(conn, backup.id, Some(REASON), now).await?;
            tracing::error!(backup_id = %backup.id, %from, %to, "backup without a job was reset");
        }
    }
    Ok(())
}

async fn reset_snapshots(conn: &mut Conn, before: Timestamp, now: Timestamp) -> Result<()> {
    let statuses = SNAPSHOTS.map(|(stuck, _)| stuck);
    for snapshot in snapshots::stuck(conn, &statuses, before, ROWS_AT_ONCE).await? {
        let found = SNAPSHOTS.into_iter().find(|(stuck, _)| *stuck == snapshot.status);
        let Some((from, to)) = found else { continue };
        if goes_with_volume(conn, &snapshot).await? || comes_with_group(conn, &snapshot).await? {
            continue;
        }
        if snapshots::change_status(conn, snapshot.id, &[from], to, now).await? {
            tracing::error!(snapshot_id = %snapshot.id, %from, %to, "snapshot without a job was reset");
        }
    }
    Ok(())
}

/// The snapshots of a volume that is deleted with all of them have no job of their own.
async fn goes_with_volume(conn: &mut Conn, snapshot: &Snapshot) -> Result<bool> {
    if snapshot.status != SnapshotStatus::Deleting {
        return Ok(false);
    }
    Ok(jobs::unfinished_about(conn, &snapshot.volume_id.to_string()).await?.is_some())
}

/// Nor have the parts of a group's snapshot that is being taken.
async fn comes_with_group(conn: &mut Conn, snapshot: &Snapshot) -> Result<bool> {
    match snapshot.group_snapshot_id {
        Some(whole) if snapshot.status == SnapshotStatus::Creating => {
            Ok(jobs::unfinished_about(conn, &whole.to_string()).await?.is_some())
        }
        _ => Ok(false),
    }
}

async fn reset_group_snapshots(conn: &mut Conn, before: Timestamp, now: Timestamp) -> Result<()> {
    use GroupSnapshotStatus::{Creating, Deleting, Error};
    for whole in group_snapshots::stuck(conn, &[Creating, Deleting], before, ROWS_AT_ONCE).await? {
        quotas::hold(conn, &whole.project_id).await?;
        group_snapshots::hold(conn, whole.id).await?;
        let changed = match whole.status {
            Creating => group_snapshots::change_status(conn, whole.id, &[Creating], Error, now).await?,
            _ => settle::group_snapshot::follow(conn, whole.id, now).await?,
        };
        if changed {
            tracing::error!(group_snapshot_id = %whole.id, from = %whole.status, "group snapshot without a job was reset");
        }
    }
    Ok(())
}

async fn reset_groups(conn: &mut Conn, before: Timestamp, now: Timestamp) -> Result<()> {
    let statuses = [GroupStatus::Creating, GroupStatus::Deleting];
    for group in groups::stuck(conn, &statuses, before, ROWS_AT_ONCE).await? {
        quotas::hold(conn, &group.project_id).await?;
        groups::hold(conn, group.id).await?;
        if settle::group::follow(conn, group.id, now).await? {
            tracing::error!(group_id = %group.id, from = %group.status, "group that nothing works on was reset");
        }
    }
    Ok(())
}

async fn reset_volumes(conn: &mut Conn, before: Timestamp, now: Timestamp) -> Result<()> {
    let mut statuses: Vec<_> = VOLUMES.iter().map(|(stuck, _)| *stuck).collect();
    statuses.push(VolumeStatus::BackingUp);
    for volume in volumes::stuck(conn, &statuses, before, ROWS_AT_ONCE).await? {
        if reset_volume(conn, &volume, now).await? {
            tracing::error!(volume_id = %volume.id, from = %volume.status, "volume without a job was reset");
        }
    }
    Ok(())
}

async fn reset_volume(conn: &mut Conn, volume: &Volume, now: Timestamp) -> Result<bool> {
    if volume.status == VolumeStatus::BackingUp {
        return volumes::return_from_backup(conn, volume.id, VolumeStatus::ErrorBackingUp, now).await;
    }
    match VOLUMES.into_iter().find(|(stuck, _)| *stuck == volume.status) {
        // Its bytes are where they were.
        Some((from @ VolumeStatus::Retyping, _)) if volume.attach_status == AttachStatus::Attached => {
            volumes::change_status(conn, volume.id, &[from], VolumeStatus::InUse, now).await
        }
        Some((from, to)) => volumes::change_status(conn, volume.id, &[from], to, now).await,
        None => Ok(false),
    }
}
