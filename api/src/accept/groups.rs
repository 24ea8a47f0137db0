//! Groups: create, change, delete, and the copies that become groups of their own (contract §1.10).
//!
//! Locks: the project's quota, the group's row, its volumes by age.

use db::{Conn, Scope, group_snapshots, group_types, groups, quotas, snapshots, volumes};
use domain::group::{Dependents, Group, GroupStatus, not_local};
use domain::group_type::GroupType;
use domain::ids::{GroupId, GroupTypeId};
use domain::job::Subject;
use domain::quota::Holding;
use domain::snapshot::Snapshot;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Error, Kind, Result, VolumeId};
use uuid::Uuid;

use super::{commit, enqueue, kinds, raced, services};
use crate::call::Call;
use crate::views::service::VOLUME_BINARY;

/// A group that the caller wants.
#[derive(Debug)]
pub(crate) struct NewGroup {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// By id or name.
    pub(crate) volume_types: Vec<String>,
    pub(crate) availability_zone: Option<String>,
}

/// Nothing has to be made for it: it lies where its first volume will.
pub(crate) async fn create(call: &Call, wish: NewGroup, kind: &GroupType) -> Result<Group> {
    let mut tx = call.app.database.begin("accept group").await?;
    let mut volume_type_ids = Vec::new();
    for name in &wish.volume_types {
        volume_type_ids.push(kinds::find_named_type(&mut tx, call, name).await?.id);
    }
    let draft = Draft { name: wish.name, description: wish.description, group_type_id: kind.id, volume_type_ids };
    let zone = zone(&mut tx, call, wish.availability_zone).await?;
    let group = draft.into_group(call, GroupStatus::Available, zone);
    insert(&mut tx, call, &group).await?;
    commit(call, tx).await?;
    Ok(group)
}

/// By id, or by name where there is none of that id; those that are not public are there for administrators only.
pub(crate) async fn find_type(call: &Call, name: &str) -> Result<GroupType> {
    let mut conn = call.app.database.read().await?;
    let is_id = Uuid::parse_str(name).is_ok();
    let by_id = match group_types::get(&mut conn, name).await {
        Err(error) if error.kind() == Kind::NotFound => None,
        other => Some(other?),
    };
    let found = match by_id {
        Some(kind) => Some(kind),
        None => group_types::find(&mut conn, name).await?,
    };
    found.filter(|kind| kind.is_public || call.caller.is_admin()).ok_or_else(|| match is_id {
        true => Error::not_found("Group type", name),
        false => Error::new(Kind::NotFound, format!("Group type with name {name} could not be found.")),
    })
}

struct Draft {
    name: Option<String>,
    description: Option<String>,
    group_type_id: GroupTypeId,
    volume_type_ids: Vec<String>,
}

impl Draft {
    fn into_group(self, call: &Call, status: GroupStatus, availability_zone: String) -> Group {
        Group {
            id: GroupId::random(),
            project_id: call.caller.project_id.clone(),
            user_id: call.caller.user_id.clone(),
            name: self.name,
            description: self.description,
            status,
            availability_zone,
            group_type_id: self.group_type_id,
            volume_type_ids: self.volume_type_ids,
            group_snapshot_id: None,
            source_group_id: None,
            created_at: call.now,
            updated_at: None,
        }
    }
}

async fn insert(conn: &mut Conn, call: &Call, group: &Group) -> Result<()> {
    quotas::charge(conn, &group.project_id, &call.app.default_limits(), &Holding::group()).await?;
    groups::insert(conn, group).await
}

async fn zone(conn: &mut Conn, call: &Call, asked: Option<String>) -> Result<String> {
    let default = &call.app.config.default_availability_zone;
    let Some(asked) = asked.filter(|zone| !zone.is_empty() && zone != default) else { return Ok(default.clone()) };
    let services = db::services::list(conn, None, Some(VOLUME_BINARY)).await?;
    if services.iter().any(|service| service.availability_zone == asked) {
        return Ok(asked);
    }
    Err(Error::invalid(format!("Invalid input received: Availability zone '{asked}' is invalid.")))
}

/// Locks the group for a change of what it holds, the project's quota first, and reads it as it is then.
pub(super) async fn hold(conn: &mut Conn, call: &Call, id: &str) -> Result<Group> {
    let group = groups::get(conn, &call.caller.scope(), id).await?;
    quotas::hold(conn, &group.project_id).await?;
    groups::hold(conn, group.id).await?;
    groups::get(conn, &call.caller.scope(), id).await
}

/// A volume that is to come into being in it, of this type and, as a copy, in this pool.
pub(super) async fn check_new_volume(conn: &mut Conn, group: &Group, type_id: &str, pool: Option<&str>) -> Result<()> {
    group.check_new_volume(type_id)?;
    let taken = groups::pool_of(conn, group.id, None).await?;
    match (taken, pool) {
        (Some(taken), Some(pool)) if taken != pool => Err(not_local()),
        _ => Ok(()),
    }
}

pub(crate) async fn delete(call: &Call, id: &str, with_volumes: bool) -> Result<()> {
    let mut tx = call.app.database.begin("accept group deletion").await?;
    let group = hold(&mut tx, call, id).await?;
    let held = volumes::of_group(&mut tx, group.id).await?;
    let dependents = Dependents {
        group_snapshots: group_snapshots::of_group(&mut tx, group.id).await?,
        snapshots: groups::has_snapshots(&mut tx, group.id).await?,
        copies: groups::is_source(&mut tx, group.id).await?,
    };
    group.check_delete(&held, dependents, with_volumes)?;
    if held.is_empty() {
        groups::delete(&mut tx, group.id).await?;
        quotas::release(&mut tx, &group.project_id, &Holding::group()).await?;
        return commit(call, tx).await;
    }
    groups::set_status(&mut tx, group.id, GroupStatus::Deleting, call.now).await?;
    for volume in &held {
        services::check_not_frozen(&mut tx, volume.host.as_deref()).await?;
        delete_volume(&mut tx, call, volume).await?;
    }
    commit(call, tx).await
}

/// As Cinder does, whatever the volume's status is; its job waits for whatever works on the volume.
async fn delete_volume(conn: &mut Conn, call: &Call, volume: &Volume) -> Result<()> {
    if volume.status == VolumeStatus::Deleting {
        return Ok(());
    }
    if !volumes::change_status(conn, volume.id, &[volume.status], VolumeStatus::Deleting, call.now).await? {
        return Err(raced("Volume", volume.id));
    }
    let subject = Subject::VolumeDelete { volume_id: volume.id, keep_data: false };
    enqueue(conn, call, subject, &volume.project_id, volume.pool.as_deref()).await
}

/// What shall change.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) add_volumes: Vec<String>,
    pub(crate) remove_volumes: Vec<String>,
}

pub(crate) async fn update(call: &Call, id: &str, change: Change) -> Result<()> {
    let mut tx = call.app.database.begin("update group").await?;
    let group = hold(&mut tx, call, id).await?;
    let both: Vec<_> = change.add_volumes.iter().filter(|id| change.remove_volumes.contains(id)).collect();
    if !both.is_empty() {
        let both = both.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        let message = format!("Invalid volume: UUIDs [{both}] are in both add and remove volume list.");
        return Err(Error::invalid(message));
    }
    let held = volumes::of_group(&mut tx, group.id).await?;
    let coming = coming(&mut tx, call, &group, &held, &change.add_volumes).await?;
    let going = going(&group, &held, &change.remove_volumes)?;
    let name = change.name.filter(|name| group.name.as_ref() != Some(name));
    let description = change.description.filter(|text| group.description.as_ref() != Some(text));
    if name.is_none() && description.is_none() && coming.is_empty() && going.is_empty() {
        return Err(Error::invalid(format!(
            "Invalid Group: Cannot update group {} because no valid name, description, add_volumes, or remove_volumes were \
             provided.",
            group.id
        )));
    }
    if !coming.is_empty() || !going.is_empty() {
        group.check_update_volumes()?;
    }
    for volume in going {
        volumes::set_group(&mut tx, volume, None, call.now).await?;
    }
    for volume in coming {
        volumes::set_group(&mut tx, volume, Some(group.id), call.now).await?;
    }
    let (name, description) = (name.as_deref().map(Some), description.as_deref().map(Some));
    groups::update_texts(&mut tx, group.id, name, description, call.now).await?;
    commit(call, tx).await
}

/// The volumes to add that are not there already. Each is locked and read again, so that it joins one group only.
async fn coming(
    conn: &mut Conn,
    call: &Call,
    group: &Group,
    held: &[Volume],
    wanted: &[String],
) -> Result<Vec<VolumeId>> {
    let mut pool = groups::pool_of(conn, group.id, None).await?;
    let mut coming = Vec::new();
    for id in wanted {
        if held.iter().any(|volume| volume.id.to_string() == *id) {
            continue;
        }
        let missing = |error: Error| if error.kind() == Kind::NotFound { group.cannot_find(id) } else { error };
        let seen = volumes::get(conn, &call.caller.scope(), id).await.map_err(missing)?;
        volumes::change_status(conn, seen.id, &[seen.status], seen.status, call.now).await?;
        let volume = volumes::get(conn, &call.caller.scope(), id).await.map_err(missing)?;
        group.check_add(&volume, pool.as_deref())?;
        pool = pool.or(volume.pool);
        coming.push(volume.id);
    }
    Ok(coming)
}

fn going(group: &Group, held: &[Volume], unwanted: &[String]) -> Result<Vec<VolumeId>> {
    let mut going = Vec::new();
    for id in unwanted {
        let volume = held.iter().find(|volume| volume.id.to_string() == *id);
        let volume = volume.ok_or_else(|| group.not_in_it(id))?;
        group.check_remove(volume)?;
        going.push(volume.id);
    }
    Ok(going)
}

/// Writes the status and nothing else.
pub(crate) async fn reset_status(call: &Call, id: &str, to: GroupStatus) -> Result<()> {
    let mut tx = call.app.database.begin("reset group status").await?;
    let group = groups::get(&mut tx, &call.caller.scope(), id).await?;
    groups::set_status(&mut tx, group.id, to, call.now).await?;
    tx.commit().await
}

/// A new group with a copy of each volume of another.
pub(crate) async fn copy_group(
    call: &Call,
    source: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<Group> {
    let mut tx = call.app.database.begin("accept copy of group").await?;
    let source = hold(&mut tx, call, source).await?;
    let originals = volumes::of_group(&mut tx, source.id).await?;
    source.check_copy(&originals)?;
    let copies = originals.iter().map(|original| Copy { original, part: None });
    let copy = Group { source_group_id: Some(source.id), ..like(call, &source, name, description) };
    fill(&mut tx, call, &copy, copies.collect()).await?;
    commit(call, tx).await?;
    Ok(copy)
}

/// A new group with a volume for each part of a group's snapshot.
pub(crate) async fn copy_snapshot(
    call: &Call,
    source: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<Group> {
    let mut tx = call.app.database.begin("accept group of snapshot").await?;
    let scope = call.caller.scope();
    let whole = group_snapshots::get(&mut tx, &scope, source).await?;
    let group = hold(&mut tx, call, &whole.group_id.to_string()).await?;
    group_snapshots::hold(&mut tx, whole.id).await?;
    let parts = snapshots::of_group_snapshot(&mut tx, whole.id).await?;
    whole.check_copy(&parts.iter().map(|part| part.status).collect::<Vec<_>>())?;
    let mut originals = Vec::new();
    for part in &parts {
        originals.push(volumes::get(&mut tx, &Scope::All, &part.volume_id.to_string()).await?);
    }
    let copies = originals.iter().zip(&parts).map(|(original, part)| Copy { original, part: Some(part) });
    let copy = Group { group_snapshot_id: Some(whole.id), ..like(call, &group, name, description) };
    let copy = Group { group_type_id: whole.group_type_id, ..copy };
    fill(&mut tx, call, &copy, copies.collect()).await?;
    commit(call, tx).await?;
    Ok(copy)
}

fn like(call: &Call, group: &Group, name: Option<String>, description: Option<String>) -> Group {
    let (group_type_id, volume_type_ids) = (group.group_type_id, group.volume_type_ids.clone());
    let draft = Draft { name, description, group_type_id, volume_type_ids };
    draft.into_group(call, GroupStatus::Creating, group.availability_zone.clone())
}

struct Copy<'a> {
    original: &'a Volume,
    /// Of it, rather than the volume itself.
    part: Option<&'a Snapshot>,
}

/// Writes the group and its volumes. Each volume has a job of its own; the group follows them.
async fn fill(conn: &mut Conn, call: &Call, group: &Group, copies: Vec<Copy<'_>>) -> Result<()> {
    let rows: Vec<_> = copies.iter().map(|copy| row(call, group, copy)).collect();
    let holding = rows.iter().fold(Holding::group(), |sum, row| sum.and(row.holding()));
    quotas::charge(conn, &group.project_id, &call.app.default_limits(), &holding).await?;
    let mut types = group.clone();
    types.volume_type_ids.extend(rows.iter().map(|row| row.volume_type_id.clone()));
    groups::insert(conn, &types).await?;
    for (row, copy) in rows.iter().zip(&copies) {
        volumes::insert(conn, row).await?;
        let subject = Subject::VolumeCreate { volume_id: row.id };
        enqueue(conn, call, subject, &row.project_id, copy.original.pool.as_deref()).await?;
    }
    Ok(())
}

fn row(call: &Call, group: &Group, copy: &Copy<'_>) -> Volume {
    let Copy { original, part } = copy;
    Volume {
        id: VolumeId::random(),
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        name: None,
        description: None,
        size_gb: part.map_or(original.size_gb, |part| part.size_gb),
        status: VolumeStatus::Creating,
        previous_status: None,
        attach_status: AttachStatus::Detached,
        migration_status: None,
        availability_zone: group.availability_zone.clone(),
        volume_type_id: part.map_or(&original.volume_type_id, |part| &part.volume_type_id).clone(),
        pool: None,
        host: None,
        snapshot_id: part.map(|part| part.id),
        source_volume_id: part.is_none().then_some(original.id),
        source_backup_id: None,
        group_id: Some(group.id),
        created_at: call.now,
        updated_at: None,
        launched_at: None,
        ..Volume::clone(original)
    }
}
