//! Snapshots: create, update, delete, reset (contract §1.7).

use db::metadata::Pairs;
use db::{image_metadata, metadata, quotas, snapshots, volumes};
use domain::job::Subject;
use domain::quota::Holding;
use domain::snapshot::{Snapshot, SnapshotStatus, check_create};
use domain::{Error, Result, SnapshotId};

use super::{check_unchanged, commit, enqueue, prepare_forced_deletion, raced, services};
use crate::call::Call;

/// A snapshot that the caller wants.
#[derive(Debug)]
pub(crate) struct NewSnapshot {
    pub(crate) volume_id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Pairs,
    pub(crate) in_use_allowed: bool,
    /// What the pool's host knows an existing one by, which is adopted.
    pub(crate) source: Option<String>,
}

pub(crate) async fn create(call: &Call, wish: NewSnapshot) -> Result<Snapshot> {
    let mut tx = call.app.database.begin("accept snapshot").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), &wish.volume_id).await?;
    services::check_not_frozen(&mut tx, volume.host.as_deref()).await?;
    check_create(&volume, wish.in_use_allowed)?;
    let project_id = &call.caller.project_id;
    let holding = Holding::snapshot(volume.size_gb, &volume.volume_type_id);
    quotas::charge(&mut tx, project_id, &call.app.default_limits(), &holding).await?;
    // Written unchanged: the row stays locked, so that the volume is not deleted before its snapshot is there.
    if !volumes::change_status(&mut tx, volume.id, &[volume.status], volume.status, call.now).await? {
        check_create(&volumes::get(&mut tx, &call.caller.scope(), &wish.volume_id).await?, wish.in_use_allowed)?;
        return Err(raced("Volume", volume.id));
    }
    check_unchanged(&mut tx, &volume).await?;
    let snapshot = Snapshot {
        id: SnapshotId::random(),
        volume_id: volume.id,
        project_id: project_id.clone(),
        user_id: call.caller.user_id.clone(),
        volume_type_id: volume.volume_type_id.clone(),
        name: wish.name,
        description: wish.description,
        size_gb: volume.size_gb,
        status: SnapshotStatus::Creating,
        progress: None,
        group_snapshot_id: None,
        created_at: call.now,
        updated_at: None,
    };
    snapshots::insert(&mut tx, &snapshot).await?;
    super::metadata::insert(&mut tx, &snapshot.id.to_string(), &wish.metadata).await?;
    image_metadata::inherit(&mut tx, &volume.id.to_string(), &snapshot.id.to_string()).await?;
    let (snapshot_id, volume_id) = (snapshot.id, volume.id);
    let subject = match wish.source {
        None => Subject::SnapshotCreate { snapshot_id, volume_id },
        Some(source) => Subject::SnapshotManage { snapshot_id, volume_id, source },
    };
    enqueue(&mut tx, call, subject, project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await?;
    Ok(snapshot)
}

/// How a snapshot goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Removal {
    Deleted,
    /// In any status.
    Forced,
    /// The bytes stay where they are.
    Unmanaged,
}

pub(crate) async fn delete(call: &Call, id: &str, how: Removal) -> Result<()> {
    let mut tx = call.app.database.begin("accept snapshot deletion").await?;
    let snapshot = snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    let volume = volumes::get(&mut tx, &db::Scope::All, &snapshot.volume_id.to_string()).await?;
    services::check_not_frozen(&mut tx, volume.host.as_deref()).await?;
    snapshot.check_delete(how == Removal::Forced)?;
    let keep_data = how == Removal::Unmanaged;
    let to = if keep_data { SnapshotStatus::Unmanaging } else { SnapshotStatus::Deleting };
    if how == Removal::Forced {
        let is_deleting = snapshot.status == SnapshotStatus::Deleting;
        if !prepare_forced_deletion(&mut tx, call, &snapshot.id.to_string(), is_deleting).await? {
            return Ok(());
        }
        snapshots::set_status(&mut tx, snapshot.id, to, call.now).await?;
    } else {
        let from = [SnapshotStatus::Available, SnapshotStatus::Error];
        if !snapshots::change_status(&mut tx, snapshot.id, &from, to, call.now).await? {
            snapshots::get(&mut tx, &call.caller.scope(), id).await?.check_delete(how == Removal::Forced)?;
            return Err(raced("Snapshot", snapshot.id));
        }
    }
    let subject = Subject::SnapshotDelete { snapshot_id: snapshot.id, volume_id: snapshot.volume_id, keep_data };
    enqueue(&mut tx, call, subject, &snapshot.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

/// Writes the status and nothing else.
pub(crate) async fn reset_status(call: &Call, id: &str, to: SnapshotStatus) -> Result<()> {
    let mut tx = call.app.database.begin("reset snapshot status").await?;
    let snapshot = snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    snapshots::set_status(&mut tx, snapshot.id, to, call.now).await?;
    tx.commit().await
}

/// The refusal of a status that is none.
pub(crate) async fn refuse_status(call: &Call, id: &str, word: &str) -> Result<Error> {
    let mut conn = call.app.database.read().await?;
    let snapshot = snapshots::get(&mut conn, &call.caller.scope(), id).await?;
    snapshot.check_told_status(snapshot.status)?;
    Ok(snapshot.refuse_told_status(word))
}

/// What whoever makes or deletes the snapshot tells of it.
pub(crate) async fn update_status(call: &Call, id: &str, to: SnapshotStatus, progress: Option<&str>) -> Result<()> {
    let mut tx = call.app.database.begin("update snapshot status").await?;
    let snapshot = snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    snapshot.check_told_status(to)?;
    if !snapshots::change_status(&mut tx, snapshot.id, &[snapshot.status], to, call.now).await? {
        snapshots::get(&mut tx, &call.caller.scope(), id).await?.check_told_status(to)?;
        return Err(raced("Snapshot", snapshot.id));
    }
    if let Some(progress) = progress {
        snapshots::set_progress(&mut tx, snapshot.id, progress, call.now).await?;
    }
    tx.commit().await
}

/// Changes what the caller wrote about the snapshot.
pub(crate) async fn update(
    call: &Call,
    id: &str,
    name: Option<Option<String>>,
    description: Option<Option<String>>,
) -> Result<(Snapshot, Pairs)> {
    let mut tx = call.app.database.begin("update snapshot").await?;
    let snapshot = snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    let (name, description) = (name.as_ref().map(Option::as_deref), description.as_ref().map(Option::as_deref));
    snapshots::update_texts(&mut tx, snapshot.id, name, description, call.now).await?;
    let snapshot = snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    let pairs = metadata::get(&mut tx, &snapshot.id.to_string()).await?;
    tx.commit().await?;
    Ok((snapshot, pairs))
}
