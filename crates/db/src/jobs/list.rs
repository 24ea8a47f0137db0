//! Jobs, page by page, ended ones among them; and those that changed since somebody looked.

use domain::job::Job;
use domain::{Result, Timestamp};

use super::from_row;
use crate::conn::{Conn, sql};
use crate::row::readable;
use crate::table::Table;
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered by; those that every job has may be sorted by, too.
pub const COLUMNS: &[&str] =
    &["id", "kind", "state", "project_id", "volume_id", "snapshot_id", "backup_id", "created_at", "updated_at"];

pub(crate) const LISTED: Table =
    Table { name: "jobs", noun: "Job", columns: COLUMNS, select: super::COLUMNS, visible: "TRUE", job_column: "id" };

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Job>> {
    list::rows(conn, &LISTED, query).await?.iter().map(from_row).collect()
}

/// How many match, whatever the page.
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> {
    list::count(conn, &LISTED, query).await
}

/// How far somebody has looked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub updated_at: Timestamp,
    pub id: String,
}

/// Those that changed after `seen`, the earliest change first; `limit` at most. A change counts from when its row says, not
/// from when it was committed: who wants to miss none looks a little back.
pub async fn changed(conn: &mut Conn, scope: &Scope, seen: &Seen, limit: i64) -> Result<Vec<Job>> {
    let whose = match scope {
        Scope::All => "",
        Scope::Project(_) => "AND project_id = $4",
    };
    let text = format!(
        "SELECT {columns} FROM jobs
         WHERE updated_at >= $1 AND (updated_at > $1 OR id > $2) {whose}
         ORDER BY updated_at, id LIMIT $3",
        columns = super::COLUMNS
    );
    let query = sql(text).bind(seen.updated_at).bind(&seen.id).bind(limit);
    let query = match scope {
        Scope::All => query,
        Scope::Project(project_id) => query.bind(project_id),
    };
    Ok(readable(&query.fetch_all(conn).await?, from_row))
}
