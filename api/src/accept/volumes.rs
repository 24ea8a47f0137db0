//! Volumes that are there: extend, delete, unmanage, reset, update (contract §1.6).

use db::metadata::Pairs;
use db::{Conn, admin_metadata, attachments, quotas, snapshots, volumes};
use domain::attachment::{self, ATTACHED_MODE_KEY, READONLY_KEY};
use domain::job::{JobKind, Subject};
use domain::quota::Holding;
use domain::snapshot::SnapshotStatus;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Error, Result};

use super::{cancel_jobs_about, check_unchanged, commit, enqueue, metadata, prepare_forced_deletion, raced, services};
use crate::call::Call;

/// Accepts growth. The larger size is charged for now; when the job fails, its end gives the difference back.
pub(crate) async fn extend(call: &Call, id: &str, new_size_gb: i64, in_use_allowed: bool) -> Result<()> {
    let mut tx = call.app.database.begin("accept volume extension").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    volume.check_extend(new_size_gb, in_use_allowed)?;
    let charged_gb = new_size_gb - volume.size_gb;
    let holding = Holding::growth(charged_gb, new_size_gb, &volume.volume_type_id);
    quotas::charge(&mut tx, &volume.project_id, &call.app.default_limits(), &holding).await?;
    if !volumes::change_status(&mut tx, volume.id, &[volume.status], VolumeStatus::Extending, call.now).await? {
        volumes::get(&mut tx, &call.caller.scope(), id).await?.check_extend(new_size_gb, in_use_allowed)?;
        return Err(raced("Volume", volume.id));
    }
    check_unchanged(&mut tx, &volume).await?;
    // An operator's reset can make the volume look free while an earlier growth, charged for, is under way.
    let unfinished = db::jobs::unfinished_about(&mut tx, &volume.id.to_string()).await?;
    if unfinished.is_some_and(|job| job.subject.kind() == JobKind::VolumeExtend) {
        return Err(raced("Volume", volume.id));
    }
    let (volume_type_id, was) = (volume.volume_type_id.clone(), volume.status);
    let subject = Subject::VolumeExtend { volume_id: volume.id, new_size_gb, charged_gb, volume_type_id, was };
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

/// How a volume goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Deletion {
    /// Its snapshots go with it.
    pub(crate) cascade: bool,
    /// In any status.
    pub(crate) force: bool,
    /// The bytes stay where they are (`os-unmanage`).
    pub(crate) keep_data: bool,
}

pub(crate) async fn delete(call: &Call, id: &str, how: Deletion) -> Result<()> {
    let mut tx = call.app.database.begin("accept volume deletion").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    services::check_not_frozen(&mut tx, volume.host.as_deref()).await?;
    check_delete(&mut tx, &volume, how).await?;
    if how == Deletion::default() && was_never_placed(&mut tx, &volume).await? {
        return forget(call, tx, &volume).await;
    }
    let to = if how.keep_data { VolumeStatus::Unmanaging } else { VolumeStatus::Deleting };
    if how.force {
        let is_deleting = volume.status == VolumeStatus::Deleting;
        if !prepare_forced_deletion(&mut tx, call, &volume.id.to_string(), is_deleting).await? {
            return Ok(());
        }
        volumes::set_status(&mut tx, volume.id, to, call.now).await?;
    } else if !volumes::change_status(&mut tx, volume.id, &[volume.status], to, call.now).await? {
        let again = volumes::get(&mut tx, &call.caller.scope(), id).await?;
        check_delete(&mut tx, &again, how).await?;
        return Err(raced("Volume", volume.id));
    }
    // The row is locked now: no snapshot comes after this look.
    take_snapshots(&mut tx, call, &volume, how).await?;
    let subject = Subject::VolumeDelete { volume_id: volume.id, keep_data: how.keep_data };
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

/// Whether no pool can hold any bytes of it: nobody took it, and nobody will.
async fn was_never_placed(conn: &mut Conn, volume: &Volume) -> Result<bool> {
    let is_nowhere = volume.pool.is_none() && volume.status == VolumeStatus::Error;
    Ok(is_nowhere && db::jobs::unfinished_about(conn, &volume.id.to_string()).await?.is_none())
}

/// There is nothing for a worker to do: the row goes at once, as in Cinder, so that its type may go next.
async fn forget(call: &Call, mut tx: db::Tx, volume: &Volume) -> Result<()> {
    quotas::release(&mut tx, &volume.project_id, &volume.holding()).await?;
    if !volumes::change_status(&mut tx, volume.id, &[VolumeStatus::Error], VolumeStatus::Deleting, call.now).await? {
        return Err(raced("Volume", volume.id));
    }
    check_unchanged(&mut tx, volume).await?;
    volumes::delete(&mut tx, volume.id).await?;
    tx.commit().await
}

async fn check_delete(conn: &mut Conn, volume: &Volume, how: Deletion) -> Result<()> {
    let present = snapshots::of_volume(conn, volume.id).await?;
    // What a transfer left behind belongs to another project, and does not go at this one's word.
    let cascade = how.cascade && present.iter().all(|snapshot| snapshot.project_id == volume.project_id);
    volume.check_delete(!present.is_empty(), cascade, how.force)
}

/// With `cascade` the snapshots are `deleting` too; without it there must be none.
async fn take_snapshots(conn: &mut Conn, call: &Call, volume: &Volume, how: Deletion) -> Result<()> {
    let present = snapshots::of_volume(conn, volume.id).await?;
    if !how.cascade && !present.is_empty() {
        return volume.check_delete(true, how.cascade, how.force);
    }
    let from = [SnapshotStatus::Available, SnapshotStatus::Error, SnapshotStatus::ErrorDeleting];
    for snapshot in present {
        // A part of a group's snapshot goes with that alone.
        if snapshot.group_snapshot_id.is_some() {
            return Err(Error::invalid("Invalid volume: Failed to update snapshot."));
        }
        if how.force {
            cancel_jobs_about(conn, call, &snapshot.id.to_string()).await?;
            snapshots::set_status(conn, snapshot.id, SnapshotStatus::Deleting, call.now).await?;
        } else if !snapshots::change_status(conn, snapshot.id, &from, SnapshotStatus::Deleting, call.now).await? {
            return Err(Error::invalid("Invalid volume: Failed to update snapshot."));
        }
    }
    Ok(())
}

/// What `os-reset_status` writes.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) status: Option<VolumeStatus>,
    pub(crate) attach_status: Option<AttachStatus>,
    /// The inner `None` clears.
    pub(crate) migration_status: Option<Option<String>>,
}

/// Writes rows and nothing else: neither a pool nor a job hears of it.
pub(crate) async fn reset(call: &Call, id: &str, reset: Reset) -> Result<()> {
    let mut tx = call.app.database.begin("reset volume status").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    if reset.status == Some(VolumeStatus::InUse) && attachments::of_volumes(&mut tx, &[volume.id]).await?.is_empty() {
        let message = "Cannot reset-state to in-use because volume does not have any attachments.";
        return Err(Error::invalid(message));
    }
    if let Some(status) = reset.status {
        volumes::set_status(&mut tx, volume.id, status, call.now).await?;
    }
    if let Some(status) = reset.attach_status {
        if status == AttachStatus::Detached {
            attachments::delete_of_volume(&mut tx, volume.id).await?;
            admin_metadata::remove(&mut tx, volume.id, ATTACHED_MODE_KEY).await?;
            if reset.status.is_none() && attachment::decide(volume.status) {
                volumes::set_status(&mut tx, volume.id, VolumeStatus::Available, call.now).await?;
            }
        }
        volumes::set_attach_status(&mut tx, volume.id, status, call.now).await?;
    }
    if let Some(status) = reset.migration_status {
        volumes::set_migration_status(&mut tx, volume.id, status.as_deref(), call.now).await?;
    }
    tx.commit().await
}

/// Changes what the caller wrote about the volume; `pairs` replaces the whole set.
pub(crate) async fn update(
    call: &Call,
    id: &str,
    name: Option<Option<String>>,
    description: Option<Option<String>>,
    pairs: Option<Pairs>,
) -> Result<()> {
    let mut tx = call.app.database.begin("update volume").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    if let Some(pairs) = pairs {
        metadata::replace(&mut tx, &volume.project_id, &volume.id.to_string(), &pairs).await?;
    }
    if name.is_some() || description.is_some() {
        let (name, description) = (name.as_ref().map(Option::as_deref), description.as_ref().map(Option::as_deref));
        volumes::update_texts(&mut tx, volume.id, name, description, call.now).await?;
    }
    tx.commit().await
}

pub(crate) async fn set_bootable(call: &Call, id: &str, bootable: bool) -> Result<()> {
    let mut tx = call.app.database.begin("set volume bootable").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    volumes::set_bootable(&mut tx, volume.id, bootable, call.now).await?;
    tx.commit().await
}

/// A flag that the owner sees among the volume's metadata and cannot take away.
pub(crate) async fn set_readonly(call: &Call, id: &str, readonly: bool) -> Result<()> {
    let mut tx = call.app.database.begin("set volume readonly").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    if volume.status != VolumeStatus::Available {
        return Err(Error::invalid(format!(
            "Invalid volume: Volume {} status must be available to update readonly flag, but current status is: {}.",
            volume.id, volume.status
        )));
    }
    let flag = if readonly { "True" } else { "False" };
    admin_metadata::set(&mut tx, volume.id, READONLY_KEY, flag).await?;
    tx.commit().await
}

/// The volume as everybody in its project sees it.
pub(crate) async fn get(call: &Call, id: &str) -> Result<Volume> {
    let mut conn = call.app.database.read().await?;
    volumes::get(&mut conn, &call.caller.scope(), id).await
}
