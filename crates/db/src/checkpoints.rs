//! Durable objects of unfinished backups, so that the next worker need not send them again.
use crate::Conn;
use domain::{JobId, Result};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    pub name: String,
    pub offset: i64,
    pub length: i64,
    /// Hexadecimal.
    pub md5: String,
    pub compression: String,
    /// Hexadecimal.
    pub sha256: String,
}

/// Idempotent on (job, name).
pub async fn insert(conn: &mut Conn, job: JobId, checkpoint: &Checkpoint) -> Result<()> { todo!() }
/// In the order of their offset, after `after_name` exclusive by (offset, name) paging; `limit` at most.
pub async fn list(conn: &mut Conn, job: JobId, after: Option<(i64, &str)>, limit: i64) -> Result<Vec<Checkpoint>> { todo!() }
pub async fn delete(conn: &mut Conn, job: JobId) -> Result<()> { todo!() }
