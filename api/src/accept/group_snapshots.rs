//! Group snapshots: create, change, delete (contract §1.10).
//!
//! Locks: the project's quota, the group's row, the snapshot's row, then its parts or the group's volumes by age.

use db::{group_snapshots, groups, quotas, snapshots, volumes};
use domain::group_snapshot::{GroupSnapshot, GroupSnapshotStatus, check_create};
use domain::ids::GroupSnapshotId;
use domain::job::Subject;
use domain::quota::Holding;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::Volume;
use domain::{Result, SnapshotId};

use super::{check_unchanged, commit, enqueue, groups as accept_groups, raced, services};
use crate::call::Call;

/// All volumes of the group at once: one job takes all snapshots.
pub(crate) async fn create(
    call: &Call,
    group: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<GroupSnapshot> {
    let mut tx = call.app.database.begin("accept group snapshot").await?;
    let group = accept_groups::hold(&mut tx, call, group).await?;
    let held = volumes::of_group(&mut tx, group.id).await?;
    check_create(&held)?;
    let whole = GroupSnapshot {
        id: GroupSnapshotId::random(),
        group_id: group.id,
        group_type_id: group.group_type_id,
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        name,
        description,
        status: GroupSnapshotStatus::Creating,
        created_at: call.now,
        updated_at: None,
    };
    let parts: Vec<_> = held.iter().map(|volume| part(&whole, volume)).collect();
    let holding = parts.iter().fold(Holding::none(), |sum, part| sum.and(part.holding()));
    quotas::charge(&mut tx, &whole.project_id, &call.app.default_limits(), &holding).await?;
    group_snapshots::insert(&mut tx, &whole).await?;
    for (volume, part) in held.iter().zip(&parts) {
        // Written unchanged: the row stays locked, so that the volume is as it was looked at.
        if !volumes::change_status(&mut tx, volume.id, &[volume.status], volume.status, call.now).await? {
            return Err(raced("Volume", volume.id));
        }
        check_unchanged(&mut tx, volume).await?;
        services::check_not_frozen(&mut tx, volume.host.as_deref()).await?;
        snapshots::insert(&mut tx, part).await?;
    }
    let pool = groups::pool_of(&mut tx, group.id, None).await?;
    let subject = Subject::GroupSnapshotCreate { group_snapshot_id: whole.id, group_id: group.id };
    enqueue(&mut tx, call, subject, &whole.project_id, pool.as_deref()).await?;
    commit(call, tx).await?;
    Ok(whole)
}

fn part(whole: &GroupSnapshot, volume: &Volume) -> Snapshot {
    Snapshot {
        id: SnapshotId::random(),
        volume_id: volume.id,
        project_id: whole.project_id.clone(),
        user_id: whole.user_id.clone(),
        volume_type_id: volume.volume_type_id.clone(),
        name: whole.name.clone(),
        description: whole.description.clone(),
        size_gb: volume.size_gb,
        status: SnapshotStatus::Creating,
        progress: None,
        group_snapshot_id: Some(whole.id),
        created_at: whole.created_at,
        updated_at: None,
    }
}

/// Each part has a job of its own; the whole goes with the last.
pub(crate) async fn delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("accept group snapshot deletion").await?;
    let whole = group_snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    quotas::hold(&mut tx, &whole.project_id).await?;
    groups::hold(&mut tx, whole.group_id).await?;
    group_snapshots::hold(&mut tx, whole.id).await?;
    let whole = group_snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    whole.check_delete(groups::is_made_of(&mut tx, whole.id).await?)?;
    let parts = snapshots::of_group_snapshot(&mut tx, whole.id).await?;
    if parts.is_empty() {
        group_snapshots::delete(&mut tx, whole.id).await?;
        return commit(call, tx).await;
    }
    group_snapshots::set_status(&mut tx, whole.id, GroupSnapshotStatus::Deleting, call.now).await?;
    for part in parts.iter().filter(|part| part.status != SnapshotStatus::Deleting) {
        if !snapshots::change_status(&mut tx, part.id, &[part.status], SnapshotStatus::Deleting, call.now).await? {
            return Err(raced("Snapshot", part.id));
        }
        let volume = volumes::get(&mut tx, &db::Scope::All, &part.volume_id.to_string()).await?;
        let subject = Subject::SnapshotDelete { snapshot_id: part.id, volume_id: part.volume_id, keep_data: false };
        enqueue(&mut tx, call, subject, &part.project_id, volume.pool.as_deref()).await?;
    }
    commit(call, tx).await
}

/// Changes what the caller wrote about it.
pub(crate) async fn update(
    call: &Call,
    id: &str,
    name: Option<Option<String>>,
    description: Option<Option<String>>,
) -> Result<GroupSnapshot> {
    let mut tx = call.app.database.begin("update group snapshot").await?;
    let whole = group_snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    let (name, description) = (name.as_ref().map(Option::as_deref), description.as_ref().map(Option::as_deref));
    group_snapshots::update_texts(&mut tx, whole.id, name, description, call.now).await?;
    let whole = group_snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    tx.commit().await?;
    Ok(whole)
}

/// Writes the status and nothing else.
pub(crate) async fn reset_status(call: &Call, id: &str, to: GroupSnapshotStatus) -> Result<()> {
    let mut tx = call.app.database.begin("reset group snapshot status").await?;
    let whole = group_snapshots::get(&mut tx, &call.caller.scope(), id).await?;
    group_snapshots::set_status(&mut tx, whole.id, to, call.now).await?;
    tx.commit().await
}
