//! Group rows. Table `volume_groups`, with the types that a group's volumes may be of in `group_volume_types`.

use std::collections::BTreeMap;

use domain::group::{Group, GroupStatus};
use domain::ids::{GroupId, GroupSnapshotId};
use domain::{Result, Timestamp, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};
use crate::table::{Table, members, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "name",
    "description",
    "status",
    "availability_zone",
    "group_type_id",
    "group_snapshot_id",
    "source_group_id",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
];

/// Groups per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

pub(crate) const TABLE: Table = Table {
    name: "volume_groups",
    noun: "Group",
    columns: COLUMNS,
    select: "id, project_id, user_id, name, description, status, availability_zone, group_type_id, group_snapshot_id, \
             source_group_id, created_at, updated_at",
    visible: "TRUE",
    job_column: "group_id",
};

/// With its volume types. `Conflict` when one of them or the group type is gone. The caller has charged the quota.
pub async fn insert(conn: &mut Conn, group: &Group) -> Result<()> {
    let text = format!("INSERT INTO volume_groups ({}) VALUES ({})", TABLE.select, placeholders(1, 12));
    sql(text)
        .bind(group.id)
        .bind(&group.project_id)
        .bind(&group.user_id)
        .bind(&group.name)
        .bind(&group.description)
        .bind(group.status.as_str())
        .bind(&group.availability_zone)
        .bind(group.group_type_id)
        .bind(group.group_snapshot_id)
        .bind(group.source_group_id)
        .bind(group.created_at)
        .bind(group.updated_at)
        .execute(conn)
        .await?;
    for types in group.volume_type_ids.chunks(CHUNK) {
        let rows: Vec<_> = (2..2 + types.len()).map(|at| format!("($1, ${at})")).collect();
        let text = format!(
            "INSERT INTO group_volume_types (group_id, volume_type_id) VALUES {} ON CONFLICT DO NOTHING",
            rows.join(", ")
        );
        sql(text).bind(group.id).bind_all(types).execute(conn).await?;
    }
    Ok(())
}

/// `NotFound` ("Group {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Group> {
    let mut group = from_row(&TABLE.get::<GroupId>(conn, scope, id).await?)?;
    group.volume_type_ids = types_of(conn, &[group.id]).await?.remove(&group.id.to_string()).unwrap_or_default();
    Ok(group)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Group>> {
    let mut groups = list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
    let mut types = types_of(conn, &ids).await?;
    for group in &mut groups {
        group.volume_type_ids = types.remove(&group.id.to_string()).unwrap_or_default();
    }
    Ok(groups)
}

async fn types_of(conn: &mut Conn, groups: &[GroupId]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for groups in groups.chunks(CHUNK) {
        let (list, groups) = members(1, groups);
        let text = format!(
            "SELECT group_id, volume_type_id FROM group_volume_types WHERE group_id IN ({list}) ORDER BY volume_type_id"
        );
        for row in sql(text).bind_all(groups).fetch_all(conn).await? {
            found.entry(row.text("group_id")?).or_default().push(row.text("volume_type_id")?);
        }
    }
    Ok(found)
}

/// The ids of the volumes of several groups, in one query; a group without volumes is absent.
pub async fn volumes_of(conn: &mut Conn, groups: &[GroupId]) -> Result<BTreeMap<GroupId, Vec<VolumeId>>> {
    let mut found: BTreeMap<GroupId, Vec<VolumeId>> = BTreeMap::new();
    for groups in groups.chunks(CHUNK) {
        let (list, groups) = members(1, groups);
        let text = format!("SELECT id, group_id FROM volumes WHERE group_id IN ({list}) ORDER BY created_at, id");
        for row in sql(text).bind_all(groups).fetch_all(conn).await? {
            found.entry(row.id("group_id")?).or_default().push(row.id("id")?);
        }
    }
    Ok(found)
}

/// The pool in which the volumes of the group lie, apart from this one; `None` while none was placed.
pub async fn pool_of(conn: &mut Conn, id: GroupId, apart_from: Option<VolumeId>) -> Result<Option<String>> {
    let text = "SELECT id, pool FROM volumes WHERE group_id = $1 AND pool IS NOT NULL AND id <> $2 LIMIT 1";
    let apart_from = apart_from.map(|id| id.to_string()).unwrap_or_default();
    let row = sql(text).bind(id).bind(apart_from).fetch_optional(conn).await?;
    row.map(|row| row.text("pool")).transpose()
}

/// Locks the row until the transaction ends, so that of several that change what the group holds each sees what the others
/// did. False when it is gone.
pub async fn hold(conn: &mut Conn, id: GroupId) -> Result<bool> {
    let text = "UPDATE volume_groups SET status = status WHERE id = $1";
    Ok(sql(text).bind(id).execute(conn).await? > 0)
}

/// Whether a group is being filled from the volumes of this one.
pub async fn is_source(conn: &mut Conn, id: GroupId) -> Result<bool> {
    let text = "SELECT id FROM volume_groups WHERE source_group_id = $1 AND status = 'creating' LIMIT 1";
    Ok(sql(text).bind(id).fetch_optional(conn).await?.is_some())
}

/// Whether a group is being filled from this snapshot.
pub async fn is_made_of(conn: &mut Conn, id: GroupSnapshotId) -> Result<bool> {
    let text = "SELECT id FROM volume_groups WHERE group_snapshot_id = $1 AND status = 'creating' LIMIT 1";
    Ok(sql(text).bind(id).fetch_optional(conn).await?.is_some())
}

/// Whether one of the group's volumes has a snapshot.
pub async fn has_snapshots(conn: &mut Conn, id: GroupId) -> Result<bool> {
    let text = "SELECT s.id FROM snapshots s JOIN volumes v ON v.id = s.volume_id WHERE v.group_id = $1 LIMIT 1";
    Ok(sql(text).bind(id).fetch_optional(conn).await?.is_some())
}

/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(
    conn: &mut Conn,
    id: GroupId,
    name: Option<Option<&str>>,
    description: Option<Option<&str>>,
    now: Timestamp,
) -> Result<()> {
    TABLE.update_texts(conn, id, name, description, now).await
}

/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(
    conn: &mut Conn,
    id: GroupId,
    from: &[GroupStatus],
    to: GroupStatus,
    now: Timestamp,
) -> Result<bool> {
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    TABLE.change_status(conn, id, &from, to.as_str(), now).await
}

/// Whatever the status was.
pub async fn set_status(conn: &mut Conn, id: GroupId, to: GroupStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "status", id, to.as_str(), now).await
}

/// `Conflict` while it has volumes or snapshots.
pub async fn delete(conn: &mut Conn, id: GroupId) -> Result<()> {
    sql("DELETE FROM volume_groups WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// As `volumes::stuck`; the types of their volumes are left out.
pub async fn stuck(conn: &mut Conn, statuses: &[GroupStatus], before: Timestamp, limit: i64) -> Result<Vec<Group>> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    Ok(readable(&TABLE.stuck(conn, &statuses, before, limit).await?, from_row))
}

/// Without the types of its volumes, which are rows of their own.
fn from_row(row: &Row) -> Result<Group> {
    Ok(Group {
        id: row.id("id")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        name: row.opt_text("name")?,
        description: row.opt_text("description")?,
        status: row.word(TABLE.name, "status", GroupStatus::parse)?,
        availability_zone: row.text("availability_zone")?,
        group_type_id: row.id("group_type_id")?,
        volume_type_ids: Vec::new(),
        group_snapshot_id: row.opt_id("group_snapshot_id")?,
        source_group_id: row.opt_id("source_group_id")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
