//! Snapshot rows. Table `snapshots`: a volume's contents at one instant, as long as they exist.
//!
//! Setters of a row that is gone do nothing. Whoever needs to know uses a compare-and-set.

use std::collections::BTreeMap;

use domain::ids::GroupSnapshotId;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::{Result, SnapshotId, Timestamp, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};
use crate::table::{Table, members, placeholders};
use crate::{ListQuery, Scope, image_metadata, list, metadata};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "name",
    "description",
    "status",
    "volume_id",
    "size_gb",
    "project_id",
    "user_id",
    "volume_type_id",
    "group_snapshot_id",
    "created_at",
    "updated_at",
];

/// Ids per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

pub(crate) const TABLE: Table = Table {
    name: "snapshots",
    noun: "Snapshot",
    columns: COLUMNS,
    select: "id, volume_id, project_id, user_id, volume_type_id, name, description, size_gb, status, progress, \
             group_snapshot_id, \
             created_at, updated_at",
    visible: "TRUE",
    job_column: "snapshot_id",
};

/// `Conflict` when the volume is gone.
pub async fn insert(conn: &mut Conn, snapshot: &Snapshot) -> Result<()> {
    let text = format!("INSERT INTO snapshots ({}) VALUES ({})", TABLE.select, placeholders(1, 13));
    sql(text)
        .bind(snapshot.id)
        .bind(snapshot.volume_id)
        .bind(&snapshot.project_id)
        .bind(&snapshot.user_id)
        .bind(&snapshot.volume_type_id)
        .bind(&snapshot.name)
        .bind(&snapshot.description)
        .bind(snapshot.size_gb)
        .bind(snapshot.status.as_str())
        .bind(&snapshot.progress)
        .bind(snapshot.group_snapshot_id)
        .bind(snapshot.created_at)
        .bind(snapshot.updated_at)
        .execute(conn)
        .await
        .map(drop)
}

/// `NotFound` ("Snapshot {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Snapshot> {
    from_row(&TABLE.get::<SnapshotId>(conn, scope, id).await?)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Snapshot>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// How many snapshots match, whatever the page.
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> {
    list::count(conn, &TABLE, query).await
}

/// All of a volume, oldest first.
pub async fn of_volume(conn: &mut Conn, volume: VolumeId) -> Result<Vec<Snapshot>> {
    let text = format!("SELECT {} FROM snapshots WHERE volume_id = $1 ORDER BY created_at, id", TABLE.select);
    sql(text).bind(volume).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// Whose snapshots these are, of those that exist.
pub async fn origins(conn: &mut Conn, ids: &[SnapshotId]) -> Result<BTreeMap<SnapshotId, VolumeId>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(1, ids);
        let text = format!("SELECT id, volume_id FROM snapshots WHERE id IN ({list})");
        for row in sql(text).bind_all(ids).fetch_all(conn).await? {
            found.insert(row.id("id")?, row.id("volume_id")?);
        }
    }
    Ok(found)
}

/// All that a group's snapshot consists of, oldest first.
pub async fn of_group_snapshot(conn: &mut Conn, whole: GroupSnapshotId) -> Result<Vec<Snapshot>> {
    let text = format!("SELECT {} FROM snapshots WHERE group_snapshot_id = $1 ORDER BY created_at, id", TABLE.select);
    sql(text).bind(whole).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(
    conn: &mut Conn,
    id: SnapshotId,
    name: Option<Option<&str>>,
    description: Option<Option<&str>>,
    now: Timestamp,
) -> Result<()> {
    TABLE.update_texts(conn, id, name, description, now).await
}

/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(
    conn: &mut Conn,
    id: SnapshotId,
    from: &[SnapshotStatus],
    to: SnapshotStatus,
    now: Timestamp,
) -> Result<bool> {
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    TABLE.change_status(conn, id, &from, to.as_str(), now).await
}

/// Whatever the status was.
pub async fn set_status(conn: &mut Conn, id: SnapshotId, to: SnapshotStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "status", id, to.as_str(), now).await
}

/// In GiB. The caller changes the quota in the same transaction.
pub async fn set_size(conn: &mut Conn, id: SnapshotId, size_gb: i64, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "size_gb", id, size_gb, now).await
}

/// What whoever makes the snapshot tells of it.
pub async fn set_progress(conn: &mut Conn, id: SnapshotId, progress: &str, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "progress", id, progress, now).await
}

/// The volume's youngest.
pub async fn latest(conn: &mut Conn, volume: VolumeId) -> Result<Option<Snapshot>> {
    let text = format!(
        "SELECT {} FROM snapshots WHERE volume_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1",
        TABLE.select
    );
    sql(text).bind(volume).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// An available snapshot is now another project's; false when it is not available.
pub async fn give(conn: &mut Conn, id: SnapshotId, user_id: &str, project_id: &str, now: Timestamp) -> Result<bool> {
    let given =
        sql("UPDATE snapshots SET user_id = $2, project_id = $3, updated_at = $4 WHERE id = $1 AND status = $5")
            .bind(id)
            .bind(user_id)
            .bind(project_id)
            .bind(now)
            .bind(SnapshotStatus::Available.as_str())
            .execute(conn)
            .await?;
    Ok(given > 0)
}

/// Removes the row with its metadata.
pub async fn delete(conn: &mut Conn, id: SnapshotId) -> Result<()> {
    metadata::clear(conn, &id.to_string()).await?;
    image_metadata::clear(conn, &id.to_string()).await?;
    sql("DELETE FROM snapshots WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// As `volumes::stuck`.
pub async fn stuck(
    conn: &mut Conn,
    statuses: &[SnapshotStatus],
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Snapshot>> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    Ok(readable(&TABLE.stuck(conn, &statuses, before, limit).await?, from_row))
}

fn from_row(row: &Row) -> Result<Snapshot> {
    Ok(Snapshot {
        id: row.id("id")?,
        volume_id: row.id("volume_id")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        volume_type_id: row.text("volume_type_id")?,
        name: row.opt_text("name")?,
        description: row.opt_text("description")?,
        size_gb: row.i64("size_gb")?,
        status: row.word(TABLE.name, "status", SnapshotStatus::parse)?,
        progress: row.opt_text("progress")?,
        group_snapshot_id: row.opt_id("group_snapshot_id")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
