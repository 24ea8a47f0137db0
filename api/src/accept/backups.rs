//! Backups: create, delete, reset (contract §1.5.1, §1.5.5, §1.5.9).

use chassis::trace::current_traceparent;
use db::metadata::Pairs;
use db::{Conn, backups, quotas, snapshots, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::lineage::choose_parent;
use domain::quota::Holding;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{Volume, VolumeStatus};
use domain::{BackupId, Result};
use outbox::About;

use super::{cancel_jobs_about, check_unchanged, commit, enqueue, metadata, prepare_forced_deletion, raced};
use crate::call::Call;

/// A backup that the caller wants.
#[derive(Debug)]
pub(crate) struct NewBackup {
    pub(crate) volume_id: String,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) metadata: Pairs,
    pub(crate) incremental: bool,
    pub(crate) force: bool,
}

/// Checks in the order of contract §1.5.1, then one transaction of all rows and the job.
pub(crate) async fn create(call: &Call, wish: NewBackup) -> Result<Backup> {
    let mut tx = call.app.database.begin("accept backup").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), &wish.volume_id).await?;
    let source = Source::find(&mut tx, call, &volume, &wish).await?;
    let project_id = &call.caller.project_id;
    let holding = Holding::backup(volume.size_gb);
    quotas::charge(&mut tx, project_id, &call.app.default_limits(), &holding).await?;
    let parent = if wish.incremental { Some(parent(&mut tx, call, &volume, &source).await?) } else { None };
    let backup = row(call, &volume, &source, parent, &wish);
    backups::insert(&mut tx, &backup).await?;
    metadata::insert(&mut tx, &backup.id.to_string(), &wish.metadata).await?;
    source.take(&mut tx, call, &volume, wish.force).await?;
    let subject = Subject::BackupCreate {
        backup_id: backup.id,
        volume_id: volume.id,
        snapshot_id: backup.snapshot_id,
        freeze: source.must_freeze(),
    };
    enqueue(&mut tx, call, subject, project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await?;
    Ok(backup)
}

/// What is read: a snapshot, or the volume itself.
enum Source {
    Snapshot(Box<Snapshot>),
    /// With the status to which the volume comes back.
    Volume {
        was: VolumeStatus,
    },
}

impl Source {
    async fn find(conn: &mut Conn, call: &Call, volume: &Volume, wish: &NewBackup) -> Result<Self> {
        match &wish.snapshot_id {
            // The volume's own status does not matter then.
            Some(id) => {
                let snapshot = snapshots::get(conn, &call.caller.scope(), id).await?;
                snapshot.check_backup(volume.id)?;
                Ok(Self::Snapshot(Box::new(snapshot)))
            }
            None => Ok(Self::Volume { was: volume.check_backup(wish.force)? }),
        }
    }

    fn must_freeze(&self) -> bool {
        matches!(self, Self::Volume { was: VolumeStatus::InUse })
    }

    /// Moves what is read to `backing-up`.
    async fn take(&self, conn: &mut Conn, call: &Call, volume: &Volume, force: bool) -> Result<()> {
        match self {
            Self::Snapshot(snapshot) => {
                let (from, to) = ([SnapshotStatus::Available], SnapshotStatus::BackingUp);
                if snapshots::change_status(conn, snapshot.id, &from, to, call.now).await? {
                    return Ok(());
                }
                let again = snapshots::get(conn, &call.caller.scope(), &snapshot.id.to_string()).await?;
                again.check_backup(volume.id)?;
                Err(raced("Snapshot", snapshot.id))
            }
            Self::Volume { was } => {
                if volumes::take_for_backup(conn, volume.id, *was, call.now).await? {
                    return check_unchanged(conn, volume).await;
                }
                volumes::get(conn, &call.caller.scope(), &volume.id.to_string()).await?.check_backup(force)?;
                Err(raced("Volume", volume.id))
            }
        }
    }
}

/// The backup to build on, held so that it cannot be deleted before the child is there.
async fn parent(conn: &mut Conn, call: &Call, volume: &Volume, source: &Source) -> Result<BackupId> {
    let candidates = backups::of_volume(conn, &call.caller.project_id, volume.id).await?;
    let snapshot_created_at = match source {
        Source::Snapshot(snapshot) => Some(snapshot.created_at),
        Source::Volume { .. } => None,
    };
    let chosen = choose_parent(&candidates, snapshot_created_at)?.id;
    if backups::hold(conn, chosen, BackupStatus::Available).await? {
        return Ok(chosen);
    }
    // It was taken away meanwhile: the next best one, or the refusal. One more race is the caller's to repeat.
    let candidates = backups::of_volume(conn, &call.caller.project_id, volume.id).await?;
    let chosen = choose_parent(&candidates, snapshot_created_at)?.id;
    if backups::hold(conn, chosen, BackupStatus::Available).await? { Ok(chosen) } else { Err(raced("Backup", chosen)) }
}

fn row(call: &Call, volume: &Volume, source: &Source, parent_id: Option<BackupId>, wish: &NewBackup) -> Backup {
    let (snapshot_id, data_timestamp) = match source {
        Source::Snapshot(snapshot) => (Some(snapshot.id), snapshot.created_at),
        Source::Volume { .. } => (None, call.now),
    };
    Backup {
        id: BackupId::random(),
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        volume_id: volume.id,
        snapshot_id,
        parent_id,
        name: wish.name.clone(),
        description: wish.description.clone(),
        container: wish.container.clone(),
        status: BackupStatus::Creating,
        fail_reason: None,
        size_gb: volume.size_gb,
        object_count: 0,
        availability_zone: wish.availability_zone.clone(),
        host: None,
        service: None,
        service_metadata: None,
        data_timestamp,
        restore_volume_id: None,
        encryption_key_id: None,
        created_at: call.now,
        updated_at: None,
        dependent_backups: 0,
    }
}

/// Deletes an available or broken backup.
pub(crate) async fn delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("accept backup deletion").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    backup.check_delete(false)?;
    let from = [BackupStatus::Available, BackupStatus::Error];
    if !backups::change_status(&mut tx, backup.id, &from, BackupStatus::Deleting, call.now).await? {
        backups::get(&mut tx, &call.caller.scope(), id).await?.check_delete(false)?;
        return Err(raced("Backup", backup.id));
    }
    enqueue_deletion(&mut tx, call, &backup).await?;
    commit(call, tx).await
}

/// Deletes whatever the status, and so is also how a running backup or restore is cancelled.
pub(crate) async fn force_delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("accept forced backup deletion").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    backup.check_delete(true)?;
    let is_deleting = backup.status == BackupStatus::Deleting;
    if !prepare_forced_deletion(&mut tx, call, &backup.id.to_string(), is_deleting).await? {
        return Ok(());
    }
    backups::set_status(&mut tx, backup.id, BackupStatus::Deleting, call.now).await?;
    enqueue_deletion(&mut tx, call, &backup).await?;
    commit(call, tx).await
}

/// The status is written, so the row is locked: a child that another transaction made is visible now, and none is made after.
async fn enqueue_deletion(conn: &mut Conn, call: &Call, backup: &Backup) -> Result<()> {
    let again = backups::get(conn, &call.caller.scope(), &backup.id.to_string()).await?;
    again.check_delete(true)?;
    let subject = Subject::BackupDelete { backup_id: backup.id };
    enqueue(conn, call, subject, &backup.project_id, None).await
}

/// Writes the status; what still works on the backup is asked to stop.
pub(crate) async fn reset_status(call: &Call, id: &str, to: BackupStatus) -> Result<()> {
    let mut tx = call.app.database.begin("reset backup status").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    tell_reset(&mut tx, call, &backup, "reset_status.start").await?;
    cancel_jobs_about(&mut tx, call, &backup.id.to_string()).await?;
    backups::set_status(&mut tx, backup.id, to, call.now).await?;
    tell_reset(&mut tx, call, &Backup { status: to, ..backup }, "reset_status.end").await?;
    commit(call, tx).await
}

async fn tell_reset(conn: &mut Conn, call: &Call, backup: &Backup, event: &'static str) -> Result<()> {
    let own_host = stdx::host::name();
    let traceparent = current_traceparent();
    let about = About {
        event,
        host: backup.host.as_deref().unwrap_or(&own_host),
        request_id: Some(&call.request_id),
        traceparent: traceparent.as_deref(),
        percent: None,
    };
    call.app.notifications.write(conn, backup, &about, call.now).await
}

/// Changes what the caller wrote about the backup; `metadata` replaces the whole set.
pub(crate) async fn update(
    call: &Call,
    id: &str,
    name: Option<Option<String>>,
    description: Option<Option<String>>,
    pairs: Option<Pairs>,
) -> Result<Backup> {
    let mut tx = call.app.database.begin("update backup").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    if let Some(pairs) = pairs {
        metadata::replace(&mut tx, &backup.project_id, &backup.id.to_string(), &pairs).await?;
    }
    if name.is_some() || description.is_some() {
        let (name, description) = (name.as_ref().map(Option::as_deref), description.as_ref().map(Option::as_deref));
        backups::update_texts(&mut tx, backup.id, name, description, call.now).await?;
    }
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    tx.commit().await?;
    Ok(backup)
}
