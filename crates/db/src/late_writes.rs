//! Places where objects may still arrive after the job that sent them has ended. Table `late_writes`.

use domain::{BackupId, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};

const COLUMNS: &str = "backup_id, project_id, container, prefix, service, size_gb, made, alone, ended_at, due_at";

/// Where a job wrote that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateWrites {
    pub backup_id: BackupId,
    pub project_id: String,
    pub container: String,
    pub prefix: String,
    pub service: String,
    pub size_gb: i64,
    /// The job succeeded.
    pub made: bool,
    /// It did so at its first attempt: whatever comes late is there already, as long as the backup is.
    pub alone: bool,
    pub ended_at: Timestamp,
    /// When somebody shall look.
    pub due_at: Timestamp,
}

/// What is known of the backup already stays.
pub async fn expect(conn: &mut Conn, place: &LateWrites) -> Result<()> {
    let text = format!(
        "INSERT INTO late_writes ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (backup_id) DO NOTHING"
    );
    sql(text)
        .bind(place.backup_id)
        .bind(&place.project_id)
        .bind(&place.container)
        .bind(&place.prefix)
        .bind(&place.service)
        .bind(place.size_gb)
        .bind(place.made)
        .bind(place.alone)
        .bind(place.ended_at)
        .bind(place.due_at)
        .execute(conn)
        .await
        .map(drop)
}

/// Those to look at, without the rows that this version cannot read.
pub async fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<LateWrites>> {
    let text = format!("SELECT {COLUMNS} FROM late_writes WHERE due_at <= $1 ORDER BY due_at, backup_id LIMIT $2");
    Ok(readable(&sql(text).bind(now).bind(limit).fetch_all(conn).await?, from_row))
}

/// Takes the look that was due: `next` says when another is, `None` that this was the last. False: somebody else took it.
pub async fn take(conn: &mut Conn, seen: &LateWrites, next: Option<Timestamp>) -> Result<bool> {
    let taken = match next {
        Some(next) => sql("UPDATE late_writes SET due_at = $3 WHERE backup_id = $1 AND due_at = $2")
            .bind(seen.backup_id)
            .bind(seen.due_at)
            .bind(next),
        None => {
            sql("DELETE FROM late_writes WHERE backup_id = $1 AND due_at = $2").bind(seen.backup_id).bind(seen.due_at)
        }
    };
    Ok(taken.execute(conn).await? > 0)
}

fn from_row(row: &Row) -> Result<LateWrites> {
    Ok(LateWrites {
        backup_id: row.id("backup_id")?,
        project_id: row.text("project_id")?,
        container: row.text("container")?,
        prefix: row.text("prefix")?,
        service: row.text("service")?,
        size_gb: row.i64("size_gb")?,
        made: row.bool("made")?,
        alone: row.bool("alone")?,
        ended_at: row.time("ended_at")?,
        due_at: row.time("due_at")?,
    })
}
