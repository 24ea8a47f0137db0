//! Backup rows. Table `backups`: a deleted backup's row stays with `status = deleted` and is invisible to everything but
//! [`exists_any`] and a new [`insert`] under its id.
//!
//! Setters of a row that is gone do nothing. Whoever needs to know uses a compare-and-set.

use std::collections::{BTreeMap, BTreeSet};

use domain::backup::{Backup, BackupStatus, Verdict, Verification};
use domain::{BackupId, Error, Result, Timestamp, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};
use crate::table::{Table, members, placeholders};
use crate::{ListQuery, Scope, list, metadata};

/// Ids asked for at once.
const CHUNK: usize = 1000;

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "name",
    "description",
    "status",
    "volume_id",
    "size_gb",
    "object_count",
    "container",
    "availability_zone",
    "parent_id",
    "snapshot_id",
    "host",
    "service",
    "fail_reason",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
    "data_timestamp",
];

/// The columns of the table, in one place for reading and writing.
macro_rules! stored {
    () => {
        "id, project_id, user_id, volume_id, snapshot_id, parent_id, name, description, container, status, fail_reason, \
         size_gb, object_count, availability_zone, host, service, service_metadata, data_timestamp, restore_volume_id, \
         encryption_key_id, created_at, updated_at"
    };
}

pub(crate) const TABLE: Table = Table {
    name: "backups",
    noun: "Backup",
    columns: COLUMNS,
    select: concat!(
        stored!(),
        ", (SELECT COUNT(*) FROM backups child WHERE child.parent_id = backups.id AND child.status <> 'deleted') \
         AS dependent_backups"
    ),
    visible: "status <> 'deleted'",
    job_column: "backup_id",
};

/// The longest chain that is followed.
const CHAIN_MAX: i64 = 10_000;

/// Where a worker put the backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The store's container.
    pub container: String,
    /// `service_metadata`.
    pub prefix: String,
    /// The driver's class path in Cinder's naming.
    pub service: String,
    pub availability_zone: String,
    pub host: String,
}

/// `Conflict` when the id is taken by a backup that is not deleted; a deleted one's row makes room (an import brings a
/// record back, contract §2.7).
pub async fn insert(conn: &mut Conn, backup: &Backup) -> Result<()> {
    sql("DELETE FROM backups WHERE id = $1 AND status = 'deleted'").bind(backup.id).execute(conn).await?;
    let text = format!("INSERT INTO backups ({}) VALUES ({})", stored!(), placeholders(1, 22));
    sql(text)
        .bind(backup.id)
        .bind(&backup.project_id)
        .bind(&backup.user_id)
        .bind(backup.volume_id)
        .bind(backup.snapshot_id)
        .bind(backup.parent_id)
        .bind(&backup.name)
        .bind(&backup.description)
        .bind(&backup.container)
        .bind(backup.status.as_str())
        .bind(&backup.fail_reason)
        .bind(backup.size_gb)
        .bind(backup.object_count)
        .bind(&backup.availability_zone)
        .bind(&backup.host)
        .bind(&backup.service)
        .bind(&backup.service_metadata)
        .bind(backup.data_timestamp)
        .bind(backup.restore_volume_id)
        .bind(&backup.encryption_key_id)
        .bind(backup.created_at)
        .bind(backup.updated_at)
        .execute(conn)
        .await
        .map(drop)
}

/// With `dependent_backups` counted from the children. `NotFound` ("Backup {id} could not be found.") also when the row is
/// another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Backup> {
    from_row(&TABLE.get::<BackupId>(conn, scope, id).await?)
}

/// Whether there is a row with this id, a deleted one and any project's included: `Some(true)` says it is deleted.
pub async fn exists_any(conn: &mut Conn, id: BackupId) -> Result<Option<bool>> {
    let row = sql("SELECT status FROM backups WHERE id = $1").bind(id).fetch_optional(conn).await?;
    row.map(|row| Ok(row.text("status")? == BackupStatus::Deleted.as_str())).transpose()
}

/// Those of `ids` whose frozen copy is needed, any project's: by the backup itself while it is being made, by one that
/// builds on it and is being made, and with `latest_too` by the next one, which builds on the volume's latest.
pub async fn needing_copies(conn: &mut Conn, ids: &[BackupId], latest_too: bool) -> Result<BTreeSet<BackupId>> {
    const LATEST: &str = "OR (backups.status IN ('available', 'restoring') AND NOT EXISTS (
        SELECT 1 FROM backups newer
        WHERE newer.volume_id = backups.volume_id AND newer.project_id = backups.project_id
            AND newer.status <> 'deleted' AND newer.status IN ('available', 'restoring')
            AND (newer.data_timestamp, newer.created_at, backups.id)
                > (backups.data_timestamp, backups.created_at, newer.id)))";
    let latest = if latest_too { LATEST } else { "" };
    let mut found = BTreeSet::new();
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(1, ids);
        let text = format!(
            "SELECT id FROM backups WHERE id IN ({list}) AND (status = 'creating'
                OR EXISTS (SELECT 1 FROM backups child
                    WHERE child.parent_id = backups.id AND child.status <> 'deleted' AND child.status = 'creating')
                {latest})"
        );
        for row in sql(text).bind_all(ids).fetch_all(conn).await? {
            found.insert(row.id("id")?);
        }
    }
    Ok(found)
}

/// One page, each with `dependent_backups` counted.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Backup>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// How many backups match, whatever the page.
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> {
    list::count(conn, &TABLE, query).await
}

/// All of a volume in one project, newest data first: candidates for a parent.
pub async fn of_volume(conn: &mut Conn, project_id: &str, volume: VolumeId) -> Result<Vec<Backup>> {
    let text = format!(
        "SELECT {} FROM backups WHERE volume_id = $1 AND project_id = $2 AND {}
         ORDER BY data_timestamp DESC, created_at DESC, id",
        TABLE.select, TABLE.visible
    );
    sql(text).bind(volume).bind(project_id).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// From the full one to `id`, oldest first. `Damaged` when a parent is missing or the chain has a cycle, `NotFound` when there
/// is no such backup.
pub async fn chain(conn: &mut Conn, id: BackupId) -> Result<Vec<Backup>> {
    let text = format!(
        "WITH RECURSIVE chain (link_id, depth) AS (
            SELECT id, CAST(0 AS BIGINT) FROM backups WHERE id = $1
            UNION ALL
            SELECT backups.parent_id, chain.depth + 1 FROM backups, chain
            WHERE backups.id = chain.link_id AND backups.parent_id IS NOT NULL AND chain.depth < $2)
         SELECT {} FROM chain, backups WHERE backups.id = chain.link_id AND {} ORDER BY chain.depth DESC",
        TABLE.select, TABLE.visible
    );
    let rows = sql(text).bind(id).bind(CHAIN_MAX).fetch_all(conn).await?;
    let chain: Vec<Backup> = rows.iter().map(from_row).collect::<Result<_>>()?;
    check_chain(id, &chain)?;
    Ok(chain)
}

/// From `id` back: every link is the parent of the one after it, none comes twice, and the first has no parent.
fn check_chain(id: BackupId, chain: &[Backup]) -> Result<()> {
    let broken = |why: String| Error::damaged(format!("The chain of backup {id} cannot be followed: {why}."));
    let missing = |parent: BackupId| broken(format!("backup {parent}, on which it builds, is missing"));
    let mut seen = BTreeSet::new();
    let mut wanted = Some(id);
    for backup in chain.iter().rev() {
        if !seen.insert(backup.id) {
            return Err(broken(format!("backup {} is its own ancestor", backup.id)));
        }
        if let Some(parent) = wanted.filter(|wanted| *wanted != backup.id) {
            return Err(missing(parent));
        }
        wanted = backup.parent_id;
    }
    match wanted {
        None => Ok(()),
        Some(_) if chain.is_empty() => Err(Error::not_found(TABLE.noun, id)),
        Some(parent) => Err(missing(parent)),
    }
}

/// Whether `id` is among the ancestors of `of`, or is `of`: it must not become its child then.
pub async fn is_ancestor(conn: &mut Conn, id: BackupId, of: BackupId) -> Result<bool> {
    if id == of {
        return Ok(true);
    }
    let row = sql("WITH RECURSIVE chain (link_id) AS (
            SELECT parent_id FROM backups WHERE id = $1 AND parent_id IS NOT NULL AND status <> 'deleted'
            UNION
            SELECT backups.parent_id FROM backups, chain
            WHERE backups.id = chain.link_id AND backups.parent_id IS NOT NULL AND backups.status <> 'deleted')
         SELECT link_id FROM chain WHERE link_id = $2")
    .bind(of)
    .bind(id)
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Takes the row's lock for the transaction when the status is `status`; parents are held this way while a child is made,
/// backups while they are deleted, so that the two exclude each other.
pub async fn hold(conn: &mut Conn, id: BackupId, status: BackupStatus) -> Result<bool> {
    let held = sql("UPDATE backups SET status = status WHERE id = $1 AND status = $2")
        .bind(id)
        .bind(status.as_str())
        .execute(conn)
        .await?;
    Ok(held > 0)
}

/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(
    conn: &mut Conn,
    id: BackupId,
    name: Option<Option<&str>>,
    description: Option<Option<&str>>,
    now: Timestamp,
) -> Result<()> {
    TABLE.update_texts(conn, id, name, description, now).await
}

/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(
    conn: &mut Conn,
    id: BackupId,
    from: &[BackupStatus],
    to: BackupStatus,
    now: Timestamp,
) -> Result<bool> {
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    TABLE.change_status(conn, id, &from, to.as_str(), now).await
}

/// Whatever the status was, `deleted` excepted.
pub async fn set_status(conn: &mut Conn, id: BackupId, to: BackupStatus, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "status", id, to.as_str(), now).await
}

/// Cut to what clients take ([`domain::backup::FAIL_REASON_MAX`]).
pub async fn set_fail_reason(conn: &mut Conn, id: BackupId, reason: Option<&str>, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "fail_reason", id, reason.map(domain::backup::fail_reason), now).await
}

/// The volume that is being restored to.
pub async fn set_restore_volume(conn: &mut Conn, id: BackupId, volume: Option<VolumeId>, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "restore_volume_id", id, volume, now).await
}

/// Writes the place where none is set yet, keeps a container the caller chose, and answers what stands.
pub async fn begin(conn: &mut Conn, id: BackupId, place: &Place, now: Timestamp) -> Result<Place> {
    let row = sql("UPDATE backups SET
            container = COALESCE(container, $2), service_metadata = COALESCE(service_metadata, $3),
            service = COALESCE(service, $4), availability_zone = COALESCE(availability_zone, $5),
            host = COALESCE(host, $6), updated_at = $7
         WHERE id = $1 AND status <> 'deleted'
         RETURNING container, service_metadata, service, availability_zone, host")
    .bind(id)
    .bind(&place.container)
    .bind(&place.prefix)
    .bind(&place.service)
    .bind(&place.availability_zone)
    .bind(&place.host)
    .bind(now)
    .fetch_optional(conn)
    .await?
    .ok_or_else(|| Error::not_found(TABLE.noun, id))?;
    Ok(Place {
        container: row.text("container")?,
        prefix: row.text("service_metadata")?,
        service: row.text("service")?,
        availability_zone: row.text("availability_zone")?,
        host: row.text("host")?,
    })
}

/// Everything that a record says of the imported backup, in the place of what stood there; its owner, status and reason
/// stay.
pub async fn fill(conn: &mut Conn, backup: &Backup, now: Timestamp) -> Result<()> {
    sql("UPDATE backups SET
            volume_id = $2, snapshot_id = $3, parent_id = $4, name = $5, description = $6, container = $7, object_count = $8,
            availability_zone = $9, host = $10, service = $11, service_metadata = $12, data_timestamp = $13,
            restore_volume_id = $14, encryption_key_id = $15, created_at = $16, updated_at = $17
         WHERE id = $1 AND status <> 'deleted'")
    .bind(backup.id)
    .bind(backup.volume_id)
    .bind(backup.snapshot_id)
    .bind(backup.parent_id)
    .bind(&backup.name)
    .bind(&backup.description)
    .bind(&backup.container)
    .bind(backup.object_count)
    .bind(&backup.availability_zone)
    .bind(&backup.host)
    .bind(&backup.service)
    .bind(&backup.service_metadata)
    .bind(backup.data_timestamp)
    .bind(backup.restore_volume_id)
    .bind(&backup.encryption_key_id)
    .bind(backup.created_at)
    .bind(now)
    .execute(conn)
    .await
    .map(drop)
}

/// The data objects and the volume's size when it was complete.
pub async fn complete(conn: &mut Conn, id: BackupId, object_count: i64, size_gb: i64, now: Timestamp) -> Result<()> {
    TABLE.set(conn, "object_count", id, object_count, now).await?;
    TABLE.set(conn, "size_gb", id, size_gb, now).await
}

/// Marks the row deleted and drops its metadata.
pub async fn delete(conn: &mut Conn, id: BackupId, now: Timestamp) -> Result<()> {
    metadata::clear(conn, &id.to_string()).await?;
    set_status(conn, id, BackupStatus::Deleted, now).await
}

/// Notes what a verification showed. Nothing about the backup has changed: `updated_at` stays.
pub async fn set_verification(conn: &mut Conn, id: BackupId, found: &Verification) -> Result<()> {
    sql("UPDATE backups SET verified_at = $2, verify_result = $3, verify_reason = $4 WHERE id = $1 AND status <> 'deleted'")
        .bind(id)
        .bind(found.at)
        .bind(found.verdict.as_str())
        .bind(&found.reason)
        .execute(conn)
        .await
        .map(drop)
}

/// `None`: it was never verified, or it is gone.
pub async fn verification(conn: &mut Conn, id: BackupId) -> Result<Option<Verification>> {
    Ok(verifications(conn, &[id]).await?.remove(&id))
}

/// Of several backups; one that was never verified, or is gone, is absent.
pub async fn verifications(conn: &mut Conn, ids: &[BackupId]) -> Result<BTreeMap<BackupId, Verification>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(1, ids);
        let text = format!(
            "SELECT id, verified_at, verify_result, verify_reason FROM backups
             WHERE id IN ({list}) AND status <> 'deleted' AND verified_at IS NOT NULL"
        );
        for row in ids.fold(sql(text), |query, id| query.bind(id)).fetch_all(conn).await? {
            let verdict = row.word(TABLE.name, "verify_result", Verdict::parse)?;
            let at = row.time("verified_at")?;
            found.insert(row.id("id")?, Verification { at, verdict, reason: row.opt_text("verify_reason")? });
        }
    }
    Ok(found)
}

/// As `volumes::stuck`.
pub async fn stuck(conn: &mut Conn, statuses: &[BackupStatus], before: Timestamp, limit: i64) -> Result<Vec<Backup>> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    Ok(readable(&TABLE.stuck(conn, &statuses, before, limit).await?, from_row))
}

fn from_row(row: &Row) -> Result<Backup> {
    Ok(Backup {
        id: row.id("id")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        volume_id: row.id("volume_id")?,
        snapshot_id: row.opt_id("snapshot_id")?,
        parent_id: row.opt_id("parent_id")?,
        name: row.opt_text("name")?,
        description: row.opt_text("description")?,
        container: row.opt_text("container")?,
        status: row.word(TABLE.name, "status", BackupStatus::parse)?,
        fail_reason: row.opt_text("fail_reason")?,
        size_gb: row.i64("size_gb")?,
        object_count: row.i64("object_count")?,
        availability_zone: row.opt_text("availability_zone")?,
        host: row.opt_text("host")?,
        service: row.opt_text("service")?,
        service_metadata: row.opt_text("service_metadata")?,
        data_timestamp: row.time("data_timestamp")?,
        restore_volume_id: row.opt_id("restore_volume_id")?,
        encryption_key_id: row.opt_text("encryption_key_id")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
        dependent_backups: row.i64("dependent_backups")?,
    })
}
