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
    /// An operator's word: what lies there stays as it is, nothing is made or deleted.
    pub frozen: bool,
    /// Last heartbeat.
    pub reported_at: Timestamp,
    pub created_at: Timestamp,
}

/// Inserts or refreshes; never touches `disabled`.
pub async fn report(conn: &mut Conn, host: &str, binary: &str, availability_zone: &str, now: Timestamp) -> Result<()> {
    sql("INSERT INTO services (host, binary_name, availability_zone, disabled, frozen, reported_at, created_at)
         VALUES ($1, $2, $3, FALSE, FALSE, $4, $4)
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

const COLUMNS: &str =
    "host, binary_name, availability_zone, disabled, disabled_reason, frozen, reported_at, created_at";

/// Those of `host`, which names its backends' services too, and of `binary`, where given; by binary, then host.
pub async fn list(conn: &mut Conn, host: Option<&str>, binary: Option<&str>) -> Result<Vec<Service>> {
    // `host@…` is what lies between `host@` and `hostA`: that letter follows the sign.
    let rows = sql(format!(
        "SELECT {COLUMNS} FROM services
         WHERE ($1 OR host = $2 OR (host >= $3 AND host < $4)) AND binary_name = COALESCE($5, binary_name)
         ORDER BY binary_name, host"
    ))
    .bind(host.is_none())
    .bind(host.unwrap_or_default())
    .bind(format!("{}@", host.unwrap_or_default()))
    .bind(format!("{}A", host.unwrap_or_default()))
    .bind(binary)
    .fetch_all(conn)
    .await?;
    rows.iter().map(from_row).collect()
}

/// The service of exactly this name.
pub async fn get(conn: &mut Conn, host: &str, binary: &str) -> Result<Option<Service>> {
    let text = format!("SELECT {COLUMNS} FROM services WHERE host = $1 AND binary_name = $2");
    sql(text).bind(host).bind(binary).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// All services of exactly this host. False when there are none.
pub async fn set_host_disabled(conn: &mut Conn, host: &str, disabled: bool, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE services SET disabled = $2, changed_at = $3 WHERE host = $1")
        .bind(host)
        .bind(disabled)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(changed > 0)
}

/// Freezes or thaws; a frozen service is disabled too. Compare-and-set: false when it is so already, or not there.
pub async fn set_frozen(conn: &mut Conn, host: &str, binary: &str, frozen: bool, now: Timestamp) -> Result<bool> {
    let reason = if frozen { "frozen" } else { "" };
    let changed = sql("UPDATE services SET frozen = $3, disabled = $3, disabled_reason = $4, changed_at = $5
         WHERE host = $1 AND binary_name = $2 AND frozen <> $3")
    .bind(host)
    .bind(binary)
    .bind(frozen)
    .bind(reason)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
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

/// Forgets the service until it reports again. False when it is not there.
pub async fn remove(conn: &mut Conn, host: &str, binary: &str) -> Result<bool> {
    let text = "DELETE FROM services WHERE host = $1 AND binary_name = $2";
    Ok(sql(text).bind(host).bind(binary).execute(conn).await? > 0)
}

fn from_row(row: &Row) -> Result<Service> {
    Ok(Service {
        host: row.text("host")?,
        binary: row.text("binary_name")?,
        availability_zone: row.text("availability_zone")?,
        disabled: row.bool("disabled")?,
        disabled_reason: row.opt_text("disabled_reason")?,
        frozen: row.bool("frozen")?,
        reported_at: row.time("reported_at")?,
        created_at: row.time("created_at")?,
    })
}
