//! Backups whose rows name the same objects: a record that was imported under another id makes one (contract §2.7). Whoever
//! removes objects, or makes a backup of objects that are there, asks here first.

use domain::backup::BackupStatus;
use domain::{BackupId, Result, Timestamp};

use crate::conn::{Conn, sql};

/// A backup with the same objects.
struct Sharer {
    id: BackupId,
    status: BackupStatus,
    updated_at: Option<Timestamp>,
}

/// Whether another backup that is not deleted has the same objects as `id`. All of them are locked then, so that of two
/// deletions at once the second sees that the first is done.
pub async fn has_others(conn: &mut Conn, id: BackupId) -> Result<bool> {
    let Some((container, prefix)) = place(conn, id).await? else { return Ok(false) };
    if !others_stand(conn, id, &container, &prefix).await? {
        return Ok(false);
    }
    lock(conn, &container, &prefix).await?;
    others_stand(conn, id, &container, &prefix).await
}

/// Whether the objects of this place have been, or are being, deleted with another backup, or swept away because nobody had
/// them, at any time since `since`. None of their backups can begin to be deleted before the transaction ends.
pub async fn is_going(conn: &mut Conn, id: BackupId, container: &str, prefix: &str, since: Timestamp) -> Result<bool> {
    lock(conn, container, prefix).await?;
    let sharers = all(conn, container, prefix).await?;
    let others = || sharers.iter().filter(|sharer| sharer.id != id);
    let is_deleted = others().any(|sharer| match sharer.status {
        BackupStatus::Deleting => true,
        BackupStatus::Deleted => sharer.updated_at.is_some_and(|deleted_at| deleted_at >= since),
        _ => false,
    });
    let is_kept = || others().any(|sharer| matches!(sharer.status, BackupStatus::Available | BackupStatus::Restoring));
    if is_deleted || is_kept() {
        return Ok(is_deleted);
    }
    for swept in others().map(|sharer| sharer.id).chain([id]) {
        if is_swept(conn, swept, since).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn is_swept(conn: &mut Conn, id: BackupId, since: Timestamp) -> Result<bool> {
    let text = format!(
        "SELECT id FROM jobs WHERE kind = 'backup_sweep' AND backup_id = $1 AND ({} OR updated_at >= $2) LIMIT 1",
        crate::jobs::unfinished()
    );
    Ok(sql(text).bind(id).bind(since).fetch_optional(conn).await?.is_some())
}

/// Who has objects at a place where a backup was to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// No row says that anything is there.
    Nobody,
    /// Nobody but that backup itself, which has the status `error`.
    Itself,
    Somebody,
}

/// See [`Standing`].
pub async fn standing(conn: &mut Conn, id: BackupId, container: &str, prefix: &str) -> Result<Standing> {
    let sharers = all(conn, container, prefix).await?;
    let mut there = sharers.iter().filter(|sharer| sharer.status != BackupStatus::Deleted).peekable();
    if there.peek().is_none() {
        return Ok(Standing::Nobody);
    }
    let is_itself = there.all(|sharer| sharer.id == id && sharer.status == BackupStatus::Error);
    Ok(if is_itself { Standing::Itself } else { Standing::Somebody })
}

/// `None` until a worker began.
async fn place(conn: &mut Conn, id: BackupId) -> Result<Option<(String, String)>> {
    let row =
        sql("SELECT container, service_metadata FROM backups WHERE id = $1").bind(id).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(row.opt_text("container")?.zip(row.opt_text("service_metadata")?))
}

async fn others_stand(conn: &mut Conn, id: BackupId, container: &str, prefix: &str) -> Result<bool> {
    let sharers = all(conn, container, prefix).await?;
    Ok(sharers.iter().any(|sharer| sharer.id != id && sharer.status != BackupStatus::Deleted))
}

/// In the order of their ids, as everybody does, so that nobody waits for one who waits for him.
async fn lock(conn: &mut Conn, container: &str, prefix: &str) -> Result<()> {
    for sharer in all(conn, container, prefix).await? {
        if sharer.status != BackupStatus::Deleted {
            sql("UPDATE backups SET status = status WHERE id = $1").bind(sharer.id).execute(conn).await?;
        }
    }
    Ok(())
}

/// Whatever the driver's name: two stores never name objects alike, and one store may be written in several ways.
async fn all(conn: &mut Conn, container: &str, prefix: &str) -> Result<Vec<Sharer>> {
    let rows =
        sql("SELECT id, status, updated_at FROM backups WHERE service_metadata = $1 AND container = $2 ORDER BY id")
            .bind(prefix)
            .bind(container)
            .fetch_all(conn)
            .await?;
    let sharer = |row: &crate::row::Row| {
        Ok(Sharer {
            id: row.id("id")?,
            status: row.word("backups", "status", BackupStatus::parse)?,
            updated_at: row.opt_time("updated_at")?,
        })
    };
    rows.iter().map(sharer).collect()
}
