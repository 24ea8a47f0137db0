//! Volume rows. Table `volumes`: one row from the request that asks for the volume until its deletion has succeeded.
//!
//! Setters of a row that is gone do nothing. Whoever needs to know uses a compare-and-set.

use std::collections::BTreeMap;

use domain::ids::GroupId;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
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
    "size_gb",
    "availability_zone",
    "bootable",
    "host",
    "pool",
    "project_id",
    "user_id",
    "volume_type_id",
    "snapshot_id",
    "source_volume_id",
    "group_id",
    "attach_status",
    "migration_status",
    "created_at",
    "updated_at",
];

/// Ids per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

pub(crate) const TABLE: Table = Table {
    name: "volumes",
    noun: "Volume",
    columns: COLUMNS,
    select: "id, project_id, user_id, name, description, size_gb, status, previous_status, attach_status, \
             migration_status, availability_zone, volume_type_id, name_id, pool, host, snapshot_id, source_volume_id, \
             source_backup_id, group_id, bootable, multiattach, created_at, updated_at, launched_at",
    visible: "TRUE",
    job_column: "volume_id",
};

/// The caller has charged the quota in the same transaction.
pub async fn insert(conn: &mut Conn, volume: &Volume) -> Result<()> {
    let text = format!("INSERT INTO volumes ({}) VALUES ({})", TABLE.select, placeholders(1, 24));
    sql(text)
        .bind(volume.id)
        .bind(&volume.project_id)
        .bind(&volume.user_id)
        .bind(&volume.name)
        .bind(&volume.description)
        .bind(volume.size_gb)
        .bind(volume.status.as_str())
        .bind(volume.previous_status.map(VolumeStatus::as_str))
        .bind(volume.attach_status.as_str())
        .bind(&volume.migration_status)
        .bind(&volume.availability_zone)
        .bind(&volume.volume_type_id)
        .bind(volume.name_id)
        .bind(&volume.pool)
        .bind(&volume.host)
        .bind(volume.snapshot_id)
        .bind(volume.source_volume_id)
        .bind(volume.source_backup_id)
        .bind(volume.group_id)
        .bind(volume.bootable)
        .bind(volume.multiattach)
        .bind(volume.created_at)
        .bind(volume.updated_at)
        .bind(volume.launched_at)
        .execute(conn)
        .await
        .map(drop)
}

/// `NotFound` ("Volume {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Volume> {
    from_row(&TABLE.get::<VolumeId>(conn, scope, id).await?)
}

/// As [`get`], and until the transaction ends nobody else changes the row: for what its attachments and transfer decide.
pub async fn lock(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Volume> {
    let lock = conn.row_lock();
    let found = get(conn, scope, id).await?;
    sql(format!("SELECT id FROM volumes WHERE id = $1{lock}")).bind(found.id).fetch_optional(conn).await?;
    get(conn, scope, id).await
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Volume>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// How many volumes match, whatever the page.
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> {
    list::count(conn, &TABLE, query).await
}

/// All of a group, oldest first.
pub async fn of_group(conn: &mut Conn, group: GroupId) -> Result<Vec<Volume>> {
    let text = format!("SELECT {} FROM volumes WHERE group_id = $1 ORDER BY created_at, id", TABLE.select);
    sql(text).bind(group).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// How many volumes there are, and their size together in GiB.
pub async fn sums(conn: &mut Conn, scope: &Scope) -> Result<(i64, i64)> {
    let text = "SELECT COUNT(*) AS total, CAST(COALESCE(SUM(size_gb), 0) AS BIGINT) AS size_gb FROM volumes";
    let query = match scope {
        Scope::All => sql(text),
        Scope::Project(project_id) => sql(format!("{text} WHERE project_id = $1")).bind(project_id),
    };
    let row = query.fetch_one(conn).await?;
    Ok((row.i64("total")?, row.i64("size_gb")?))
}

/// Every metadata pair that some volume has, once and in order.
pub async fn pairs(conn: &mut Conn, scope: &Scope) -> Result<Vec<(String, String)>> {
    let text = "SELECT DISTINCT m.key, m.value FROM volumes JOIN resource_metadata m ON m.resource_id = volumes.id";
    let query = match scope {
        Scope::All => sql(format!("{text} ORDER BY m.key, m.value")),
        Scope::Project(project_id) => {
            sql(format!("{text} WHERE volumes.project_id = $1 ORDER BY m.key, m.value")).bind(project_id)
        }
    };
    let pair = |row: &Row| Ok((row.text("key")?, row.text("value")?));
    query.fetch_all(conn).await?.iter().map(pair).collect()
}

/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(
    conn: &mut Conn,
    id: VolumeId,
    name: Option<Option<&str>>,
    description: Option<Option<&str>>,
    now: Timestamp,
) -> Result<()> {
    TABLE.update_texts(conn, id, name, description, now).await
}

/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(
    conn: &mut Conn,
    id: VolumeId,
    from: &[VolumeStatus],
    to: VolumeStatus,
    now: Timestamp,
) -> Result<bool> {
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    TABLE.change_status(conn, id, &from, to.as_str(), now).await
}

/// `change_status` that also keeps the old status in `previous_status`.
pub async fn take_for_backup(conn: &mut Conn, id: VolumeId, from: VolumeStatus, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE volumes SET previous_status = status, status = $3, updated_at = $4
         WHERE id = $1 AND status = $2")
    .bind(id)
    .bind(from.as_str())
    .bind(VolumeStatus::BackingUp.as_str())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

/// Where the volume is `backing-up`: back to `previous_status`, which then shows `marker`. Where an administrator's reset
/// left no status to come back to, the attachment decides.
pub async fn return_from_backup(conn: &mut Conn, id: VolumeId, marker: VolumeStatus, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE volumes SET
            status = CASE WHEN previous_status IN ($5, $6) THEN previous_status
                          WHEN attach_status = $7 THEN $6 ELSE $5 END,
            previous_status = $3, updated_at = $4
         WHERE id = $1 AND status = $2")
    .bind(id)
    .bind(VolumeStatus::BackingUp.as_str())
    .bind(marker.as_str())
    .bind(now)
    .bind(VolumeStatus::Available.as_str())
    .bind(VolumeStatus::InUse.as_str())
    .bind(AttachStatus::Attached.as_str())
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

/// Whatever the status was.
pub async fn set_status(conn: &mut Conn, id: VolumeId, to: VolumeStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "status", id, to.as_str(), now).await
}

/// While a backup has the volume: the status to come back to.
pub async fn set_return_status(conn: &mut Conn, id: VolumeId, to: VolumeStatus, now: Timestamp) -> Result<()> {
    sql("UPDATE volumes SET previous_status = $3, updated_at = $4 WHERE id = $1 AND status = $2")
        .bind(id)
        .bind(VolumeStatus::BackingUp.as_str())
        .bind(to.as_str())
        .bind(now)
        .execute(conn)
        .await
        .map(drop)
}

/// As the attachments now say.
pub async fn set_attach_status(conn: &mut Conn, id: VolumeId, to: AttachStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "attach_status", id, to.as_str(), now).await
}

/// A word that administrators' tools set and read; nothing here acts on it.
pub async fn set_migration_status(conn: &mut Conn, id: VolumeId, to: Option<&str>, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "migration_status", id, to, now).await
}

/// The volume is now another project's, and free.
pub async fn give(conn: &mut Conn, id: VolumeId, user_id: &str, project_id: &str, now: Timestamp) -> Result<()> {
    sql("UPDATE volumes SET user_id = $2, project_id = $3, status = $4, updated_at = $5 WHERE id = $1")
        .bind(id)
        .bind(user_id)
        .bind(project_id)
        .bind(VolumeStatus::Available.as_str())
        .bind(now)
        .execute(conn)
        .await
        .map(drop)
}

/// In GiB. A volume only grows: a smaller size than the present one changes nothing. The caller changes the quota in the same
/// transaction.
pub async fn set_size(conn: &mut Conn, id: VolumeId, size_gb: i64, now: Timestamp) -> Result<()> {
    sql("UPDATE volumes SET size_gb = $2, updated_at = $3 WHERE id = $1 AND size_gb < $2")
        .bind(id)
        .bind(size_gb)
        .bind(now)
        .execute(conn)
        .await
        .map(drop)
}

/// Puts the volume into a group, or takes it out of its own.
pub async fn set_group(conn: &mut Conn, id: VolumeId, group: Option<GroupId>, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "group_id", id, group, now).await
}

/// A mark for clients; nothing here acts on it.
pub async fn set_bootable(conn: &mut Conn, id: VolumeId, bootable: bool, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "bootable", id, bootable, now).await
}

/// Where the bytes are, when a scheduler placed the volume.
pub async fn set_place(conn: &mut Conn, id: VolumeId, pool: &str, host: &str, now: Timestamp) -> Result<()> {
    sql("UPDATE volumes SET pool = $2, host = $3, updated_at = $4 WHERE id = $1")
        .bind(id)
        .bind(pool)
        .bind(host)
        .bind(now)
        .execute(conn)
        .await
        .map(drop)
}

/// Where the bytes are and what they are called there, when they came from another place.
pub async fn set_moved(conn: &mut Conn, id: VolumeId, bytes_id: VolumeId, pool: &str, host: &str) -> Result<()> {
    sql("UPDATE volumes SET name_id = $2, pool = $3, host = $4 WHERE id = $1")
        .bind(id)
        .bind(bytes_id)
        .bind(pool)
        .bind(host)
        .execute(conn)
        .await
        .map(drop)
}

/// Whether a volume's bytes are called so because they came from another pool.
pub async fn has_bytes(conn: &mut Conn, name_id: &str) -> Result<bool> {
    let row = sql("SELECT id FROM volumes WHERE name_id = $1 LIMIT 1").bind(name_id).fetch_optional(conn).await?;
    Ok(row.is_some())
}

/// Another type, and whether volumes of it may be attached more than once. `Conflict` when there is no such type.
pub async fn set_type(conn: &mut Conn, id: VolumeId, type_id: &str, multiattach: bool) -> Result<()> {
    sql("UPDATE volumes SET volume_type_id = $2, multiattach = $3 WHERE id = $1")
        .bind(id)
        .bind(type_id)
        .bind(multiattach)
        .execute(conn)
        .await
        .map(drop)
}

/// The bytes exist since `now`.
pub async fn set_launched(conn: &mut Conn, id: VolumeId, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "launched_at", id, now, now).await
}

/// Removes the row with its metadata and attachments. `Conflict` while it has snapshots: they go first, each with its
/// quota.
pub async fn delete(conn: &mut Conn, id: VolumeId) -> Result<()> {
    metadata::clear(conn, &id.to_string()).await?;
    image_metadata::clear(conn, &id.to_string()).await?;
    sql("DELETE FROM volumes WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// What one project has on a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub project_id: String,
    pub volumes: i64,
    pub volumes_gb: i64,
    pub snapshots: i64,
    pub snapshots_gb: i64,
}

/// What lies on `host@backend`, by project. A snapshot lies where its volume does and counts for the volume's project.
pub async fn held_by_host(conn: &mut Conn, host: &str) -> Result<Vec<Held>> {
    // Its pools are what lies between `host#` and `host$`: that sign follows the other.
    let rows = sql("SELECT volumes.project_id, COUNT(*) AS volumes, CAST(SUM(volumes.size_gb) AS BIGINT) AS volumes_gb,
            CAST(COALESCE(SUM(s.count), 0) AS BIGINT) AS snapshots,
            CAST(COALESCE(SUM(s.size_gb), 0) AS BIGINT) AS snapshots_gb
         FROM volumes LEFT JOIN (SELECT snapshots.volume_id, COUNT(*) AS count, SUM(snapshots.size_gb) AS size_gb
            FROM snapshots JOIN volumes v ON v.id = snapshots.volume_id
            WHERE v.host = $1 OR (v.host >= $2 AND v.host < $3) GROUP BY snapshots.volume_id) s ON s.volume_id = volumes.id
         WHERE volumes.host = $1 OR (volumes.host >= $2 AND volumes.host < $3)
         GROUP BY volumes.project_id ORDER BY volumes.project_id")
    .bind(host)
    .bind(format!("{host}#"))
    .bind(format!("{host}$"))
    .fetch_all(conn)
    .await?;
    let held = |row: &Row| {
        Ok(Held {
            project_id: row.text("project_id")?,
            volumes: row.i64("volumes")?,
            volumes_gb: row.i64("volumes_gb")?,
            snapshots: row.i64("snapshots")?,
            snapshots_gb: row.i64("snapshots_gb")?,
        })
    };
    rows.iter().map(held).collect()
}

/// Whether a volume that was asked for at `until` or before is still being filled from this volume.
pub async fn copied_from_volume(conn: &mut Conn, source: VolumeId, until: Timestamp) -> Result<bool> {
    let text =
        "SELECT id FROM volumes WHERE source_volume_id = $1 AND status = 'creating' AND created_at <= $2 LIMIT 1";
    Ok(sql(text).bind(source).bind(until).fetch_optional(conn).await?.is_some())
}

/// As [`copied_from_volume`], from this snapshot.
pub async fn copied_from_snapshot(conn: &mut Conn, source: SnapshotId, until: Timestamp) -> Result<bool> {
    let text = "SELECT id FROM volumes WHERE snapshot_id = $1 AND status = 'creating' AND created_at <= $2 LIMIT 1";
    Ok(sql(text).bind(source).bind(until).fetch_optional(conn).await?.is_some())
}

/// Whose these names of bytes are, whatever the project: a volume's own id is its too when its bytes are called otherwise.
pub async fn named(conn: &mut Conn, names: &[VolumeId]) -> Result<BTreeMap<VolumeId, VolumeId>> {
    let mut found = BTreeMap::new();
    for names in names.chunks(CHUNK) {
        let (list, names) = members(1, names);
        let text = format!(
            "SELECT id AS name, id FROM volumes WHERE id IN ({list})
             UNION ALL SELECT name_id AS name, id FROM volumes WHERE name_id IN ({list})"
        );
        for row in sql(text).bind_all(names).fetch_all(conn).await? {
            found.insert(row.id("name")?, row.id("id")?);
        }
    }
    Ok(found)
}

/// Volumes in one of `statuses` with no unfinished job about them, unchanged since `before`: for the reconciler.
pub async fn stuck(conn: &mut Conn, statuses: &[VolumeStatus], before: Timestamp, limit: i64) -> Result<Vec<Volume>> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    Ok(readable(&TABLE.stuck(conn, &statuses, before, limit).await?, from_row))
}

fn from_row(row: &Row) -> Result<Volume> {
    Ok(Volume {
        id: row.id("id")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        name: row.opt_text("name")?,
        description: row.opt_text("description")?,
        size_gb: row.i64("size_gb")?,
        status: row.word(TABLE.name, "status", VolumeStatus::parse)?,
        previous_status: row.opt_word(TABLE.name, "previous_status", VolumeStatus::parse)?,
        attach_status: row.word(TABLE.name, "attach_status", AttachStatus::parse)?,
        migration_status: row.opt_text("migration_status")?,
        availability_zone: row.text("availability_zone")?,
        volume_type_id: row.text("volume_type_id")?,
        name_id: row.opt_id("name_id")?,
        pool: row.opt_text("pool")?,
        host: row.opt_text("host")?,
        snapshot_id: row.opt_id("snapshot_id")?,
        source_volume_id: row.opt_id("source_volume_id")?,
        source_backup_id: row.opt_id("source_backup_id")?,
        group_id: row.opt_id("group_id")?,
        bootable: row.bool("bootable")?,
        multiattach: row.bool("multiattach")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
        launched_at: row.opt_time("launched_at")?,
    })
}
