//! Durable objects of unfinished backups, so that the next worker need not send them again. Table `job_checkpoints`: rows
//! live as long as their job is unfinished.

use domain::{JobId, Result};

use crate::conn::{Conn, sql};
use crate::row::Row;

/// One object that the store has confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The object's name.
    pub name: String,
    /// Bytes from the volume's begin.
    pub offset: i64,
    /// Bytes of volume.
    pub length: i64,
    /// Hexadecimal.
    pub md5: String,
    /// The word that the manifest records.
    pub compression: String,
    /// Hexadecimal.
    pub sha256: String,
}

/// Idempotent on (job, name).
pub async fn insert(conn: &mut Conn, job: JobId, checkpoint: &Checkpoint) -> Result<()> {
    sql("INSERT INTO job_checkpoints (job_id, name, offset_bytes, length_bytes, md5, compression, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id, name) DO NOTHING")
    .bind(job)
    .bind(&checkpoint.name)
    .bind(checkpoint.offset)
    .bind(checkpoint.length)
    .bind(&checkpoint.md5)
    .bind(&checkpoint.compression)
    .bind(&checkpoint.sha256)
    .execute(conn)
    .await
    .map(drop)
}

/// In the order of their offset, after `after` (offset, name) exclusive; `limit` at most.
pub async fn list(conn: &mut Conn, job: JobId, after: Option<(i64, &str)>, limit: i64) -> Result<Vec<Checkpoint>> {
    // Offsets are never negative, so this stands before all.
    let (offset, name) = after.unwrap_or((-1, ""));
    let rows = sql("SELECT name, offset_bytes, length_bytes, md5, compression, sha256 FROM job_checkpoints
         WHERE job_id = $1 AND (offset_bytes > $2 OR (offset_bytes = $2 AND name > $3))
         ORDER BY offset_bytes, name LIMIT $4")
    .bind(job)
    .bind(offset)
    .bind(name)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(from_row).collect()
}

/// All of a job, when it has ended.
pub async fn delete(conn: &mut Conn, job: JobId) -> Result<()> {
    sql("DELETE FROM job_checkpoints WHERE job_id = $1").bind(job).execute(conn).await.map(drop)
}

fn from_row(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        name: row.text("name")?,
        offset: row.i64("offset_bytes")?,
        length: row.i64("length_bytes")?,
        md5: row.text("md5")?,
        compression: row.text("compression")?,
        sha256: row.text("sha256")?,
    })
}
