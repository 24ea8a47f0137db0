//! What operators allow the workers of a host, while they run. Table `host_limits`.

use std::collections::BTreeMap;

use domain::ids::WorkerId;
use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::Row;

/// Of each worker of a host; `None`: what its configuration says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HostLimits {
    /// Jobs at once.
    pub slots: Option<i64>,
    /// To and from the store.
    pub bytes_per_second: Option<i64>,
}

/// In place of what was allowed before.
pub async fn set(conn: &mut Conn, host: &str, limits: HostLimits, now: Timestamp) -> Result<()> {
    sql("INSERT INTO host_limits (host, slots, bytes_per_second, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE SET slots = excluded.slots, bytes_per_second = excluded.bytes_per_second,
            updated_at = excluded.updated_at")
    .bind(host)
    .bind(limits.slots)
    .bind(limits.bytes_per_second)
    .bind(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Of all hosts that have any.
pub async fn list(conn: &mut Conn) -> Result<BTreeMap<String, HostLimits>> {
    let rows = sql("SELECT host, slots, bytes_per_second FROM host_limits").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.text("host")?, from_row(row)?))).collect()
}

/// Of the host that the worker runs on.
pub async fn of_worker(conn: &mut Conn, worker: WorkerId) -> Result<HostLimits> {
    let row = sql("SELECT host_limits.slots, host_limits.bytes_per_second FROM host_limits
         JOIN workers ON workers.host = host_limits.host WHERE workers.id = $1")
    .bind(worker)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map_or(Ok(HostLimits::default()), from_row)
}

fn from_row(row: &Row) -> Result<HostLimits> {
    Ok(HostLimits { slots: row.opt_i64("slots")?, bytes_per_second: row.opt_i64("bytes_per_second")? })
}
