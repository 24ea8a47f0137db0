//! Rows of groups' snapshots. Table `group_snapshots`; what one consists of are rows of `snapshots`.

use domain::group_snapshot::{GroupSnapshot, GroupSnapshotStatus};
use domain::ids::{GroupId, GroupSnapshotId};
use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};
use crate::table::{Table, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "name",
    "description",
    "status",
    "group_id",
    "group_type_id",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
];

pub(crate) const TABLE: Table = Table {
    name: "group_snapshots",
    noun: "GroupSnapshot",
    columns: COLUMNS,
    select: "id, group_id, group_type_id, project_id, user_id, name, description, status, created_at, updated_at",
    visible: "TRUE",
    job_column: "group_snapshot_id",
};

/// `Conflict` when the group is gone.
pub async fn insert(conn: &mut Conn, row: &GroupSnapshot) -> Result<()> {
    let text = format!("INSERT INTO group_snapshots ({}) VALUES ({})", TABLE.select, placeholders(1, 10));
    sql(text)
        .bind(row.id)
        .bind(row.group_id)
        .bind(row.group_type_id)
        .bind(&row.project_id)
        .bind(&row.user_id)
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.status.as_str())
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(conn)
        .await
        .map(drop)
}

/// `NotFound` ("GroupSnapshot {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<GroupSnapshot> {
    from_row(&TABLE.get::<GroupSnapshotId>(conn, scope, id).await?)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<GroupSnapshot>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// Whether the group has any.
pub async fn of_group(conn: &mut Conn, group: GroupId) -> Result<bool> {
    let text = "SELECT id FROM group_snapshots WHERE group_id = $1 LIMIT 1";
    Ok(sql(text).bind(group).fetch_optional(conn).await?.is_some())
}

/// Locks the row until the transaction ends. False when it is gone.
pub async fn hold(conn: &mut Conn, id: GroupSnapshotId) -> Result<bool> {
    let text = "UPDATE group_snapshots SET status = status WHERE id = $1";
    Ok(sql(text).bind(id).execute(conn).await? > 0)
}

/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(
    conn: &mut Conn,
    id: GroupSnapshotId,
    name: Option<Option<&str>>,
    description: Option<Option<&str>>,
    now: Timestamp,
) -> Result<()> {
    TABLE.update_texts(conn, id, name, description, now).await
}

/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(
    conn: &mut Conn,
    id: GroupSnapshotId,
    from: &[GroupSnapshotStatus],
    to: GroupSnapshotStatus,
    now: Timestamp,
) -> Result<bool> {
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    TABLE.change_status(conn, id, &from, to.as_str(), now).await
}

/// Whatever the status was.
pub async fn set_status(conn: &mut Conn, id: GroupSnapshotId, to: GroupSnapshotStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "status", id, to.as_str(), now).await
}

/// `Conflict` while snapshots belong to it.
pub async fn delete(conn: &mut Conn, id: GroupSnapshotId) -> Result<()> {
    sql("DELETE FROM group_snapshots WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// As `volumes::stuck`.
pub async fn stuck(
    conn: &mut Conn,
    statuses: &[GroupSnapshotStatus],
    before: Timestamp,
    limit: i64,
) -> Result<Vec<GroupSnapshot>> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    Ok(readable(&TABLE.stuck(conn, &statuses, before, limit).await?, from_row))
}

fn from_row(row: &Row) -> Result<GroupSnapshot> {
    Ok(GroupSnapshot {
        id: row.id("id")?,
        group_id: row.id("group_id")?,
        group_type_id: row.id("group_type_id")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        name: row.opt_text("name")?,
        description: row.opt_text("description")?,
        status: row.word(TABLE.name, "status", GroupSnapshotStatus::parse)?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
