//! Services as `os-services` lists them. Table `services`: one row per (host, binary), kept alive by heartbeats; it outlives
//! the process, so that a disabled host stays disabled.

use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::Row;

/// One service on one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    pub host: String,
    /// `cinder-scheduler`, `cinder-volume` or `cinder-backup`: the names clients know.
    pub binary: String,
    pub availability_zone: String,
    /// An operator's word: takes no new work.
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    /// Last heartbeat.
    pub reported_at: Timestamp,
    pub created_at: Timestamp,
}

/// Inserts or refreshes; never touches `disabled`.
pub async fn report(conn: &mut Conn, host: &str, binary: &str, availability_zone: &str, now: Timestamp) -> Result<()> {
    sql("INSERT INTO services (host, binary_name, availability_zone, disabled, reported_at, created_at)
         VALUES ($1, $2, $3, FALSE, $4, $4)
         ON CONFLICT (host, binary_name)
         DO UPDATE SET availability_zone = excluded.availability_zone, reported_at = excluded.reported_at")
    .bind(host)
    .bind(binary)
    .bind(availability_zone)
    .bind(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Those of `host` and of `binary`, where given; by binary, then host.
pub async fn list(conn: &mut Conn, host: Option<&str>, binary: Option<&str>) -> Result<Vec<Service>> {
    let rows = sql("SELECT host, binary_name, availability_zone, disabled, disabled_reason, reported_at, created_at
         FROM services WHERE host = COALESCE($1, host) AND binary_name = COALESCE($2, binary_name)
         ORDER BY binary_name, host")
    .bind(host)
    .bind(binary)
    .fetch_all(conn)
    .await?;
    rows.iter().map(from_row).collect()
}

/// False when there is no such service.
pub async fn set_disabled(
    conn: &mut Conn,
    host: &str,
    binary: &str,
    disabled: bool,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let changed = sql("UPDATE services SET disabled = $3, disabled_reason = $4, changed_at = $5
         WHERE host = $1 AND binary_name = $2")
    .bind(host)
    .bind(binary)
    .bind(disabled)
    .bind(reason)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

fn from_row(row: &Row) -> Result<Service> {
    Ok(Service {
        host: row.text("host")?,
        binary: row.text("binary_name")?,
        availability_zone: row.text("availability_zone")?,
        disabled: row.bool("disabled")?,
        disabled_reason: row.opt_text("disabled_reason")?,
        reported_at: row.time("reported_at")?,
        created_at: row.time("created_at")?,
    })
}
