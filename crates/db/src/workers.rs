//! Worker processes that registered, with what they reach; the schedulers' common view of the fleet. Table `workers`: one row
//! per life of a process, until it has been silent for long.

use domain::ids::WorkerId;
use domain::placement::{Backend, Candidate, PoolReport};
use domain::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::conn::{Conn, sql};
use crate::row::{Row, readable};

/// One life of one worker process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    pub id: WorkerId,
    pub host: String,
    pub availability_zone: String,
    pub backup_driver: String,
    /// Jobs that it runs at once.
    pub slots: i64,
    pub pools: Vec<PoolReport>,
    /// Finishes what it has and takes nothing new.
    pub draining: bool,
    pub heartbeat_at: Timestamp,
}

/// One element of the column `pools`.
#[derive(Serialize, Deserialize)]
struct StoredPool {
    name: String,
    volume_backend_name: String,
    vendor_name: String,
    storage_protocol: String,
    free_bytes: i64,
    total_bytes: i64,
}

impl From<&PoolReport> for StoredPool {
    fn from(pool: &PoolReport) -> Self {
        Self {
            name: pool.name.clone(),
            volume_backend_name: pool.backend.volume_backend_name.clone(),
            vendor_name: pool.backend.vendor_name.clone(),
            storage_protocol: pool.backend.storage_protocol.clone(),
            free_bytes: pool.free_bytes,
            total_bytes: pool.total_bytes,
        }
    }
}

impl From<StoredPool> for PoolReport {
    fn from(pool: StoredPool) -> Self {
        let backend = Backend {
            volume_backend_name: pool.volume_backend_name,
            vendor_name: pool.vendor_name,
            storage_protocol: pool.storage_protocol,
        };
        Self { name: pool.name, backend, free_bytes: pool.free_bytes, total_bytes: pool.total_bytes }
    }
}

const COLUMNS: &str = "id, host, availability_zone, backup_driver, slots, pools, draining, heartbeat_at";

/// Inserts; the same worker registering again replaces what it said before.
pub async fn register(conn: &mut Conn, worker: &Worker) -> Result<()> {
    sql(format!(
        "INSERT INTO workers ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET host = excluded.host, availability_zone = excluded.availability_zone,
            backup_driver = excluded.backup_driver, slots = excluded.slots, pools = excluded.pools,
            draining = excluded.draining, heartbeat_at = excluded.heartbeat_at"
    ))
    .bind(worker.id)
    .bind(&worker.host)
    .bind(&worker.availability_zone)
    .bind(&worker.backup_driver)
    .bind(worker.slots)
    .bind(to_json(&worker.pools)?)
    .bind(worker.draining)
    .bind(worker.heartbeat_at)
    .execute(conn)
    .await
    .map(drop)
}

/// `None` when it never registered or has been forgotten.
pub async fn get(conn: &mut Conn, id: WorkerId) -> Result<Option<Worker>> {
    let row = sql(format!("SELECT {COLUMNS} FROM workers WHERE id = $1")).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// False when the worker is not registered (any more).
pub async fn heartbeat(
    conn: &mut Conn,
    id: WorkerId,
    pools: &[PoolReport],
    draining: bool,
    now: Timestamp,
) -> Result<bool> {
    let changed = sql("UPDATE workers SET pools = $2, draining = $3, heartbeat_at = $4 WHERE id = $1")
        .bind(id)
        .bind(to_json(pools)?)
        .bind(draining)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(changed > 0)
}

/// Live workers (heartbeat after `since`) with their load, counted from the jobs, and what operators disabled of them.
pub async fn candidates(conn: &mut Conn, since: Timestamp) -> Result<Vec<Candidate>> {
    let disabled = sql("SELECT host, binary_name FROM services WHERE disabled").fetch_all(conn).await?;
    let disabled: Vec<_> =
        disabled.iter().map(|row| Ok((row.text("host")?, row.text("binary_name")?))).collect::<Result<_>>()?;
    let rows =
        sql("SELECT workers.id, workers.host, workers.availability_zone, workers.backup_driver, workers.pools, workers.draining,
            COALESCE((SELECT host_limits.slots FROM host_limits WHERE host_limits.host = workers.host), workers.slots) AS slots,
            (SELECT COUNT(*) FROM jobs
             WHERE jobs.worker_id = workers.id AND jobs.state IN ('assigned', 'running')) AS busy
         FROM workers WHERE workers.heartbeat_at > $1 ORDER BY workers.id")
        .bind(since)
        .fetch_all(conn)
        .await?;
    let candidate = |row: &Row| {
        let host = row.text("host")?;
        let backend = |name: &String| Some(name.strip_prefix(&host)?.strip_prefix('@')?.to_owned());
        let of = |binary: &'static str| disabled.iter().filter(move |(_, of)| of == binary).map(|(name, _)| name);
        Ok(Candidate {
            worker_id: row.id("id")?,
            backups_disabled: of("cinder-backup").any(|name| *name == host),
            closed_backends: of("cinder-volume").filter_map(backend).collect(),
            host: host.clone(),
            backup_driver: row.text("backup_driver")?,
            availability_zone: row.text("availability_zone")?,
            pools: pools(row)?,
            slots: row.i64("slots")?,
            busy: row.i64("busy")?,
            disabled: row.bool("draining")?,
        })
    };
    Ok(readable(&rows, candidate))
}

/// All live workers (heartbeat after `since`), with their pools.
pub async fn list(conn: &mut Conn, since: Timestamp) -> Result<Vec<Worker>> {
    let text = format!("SELECT {COLUMNS} FROM workers WHERE heartbeat_at > $1 ORDER BY host, id");
    sql(text).bind(since).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// Forgets workers without heartbeat since `before`.
pub async fn prune(conn: &mut Conn, before: Timestamp) -> Result<u64> {
    sql("DELETE FROM workers WHERE heartbeat_at < $1").bind(before).execute(conn).await
}

fn from_row(row: &Row) -> Result<Worker> {
    Ok(Worker {
        id: row.id("id")?,
        host: row.text("host")?,
        availability_zone: row.text("availability_zone")?,
        backup_driver: row.text("backup_driver")?,
        slots: row.i64("slots")?,
        pools: pools(row)?,
        draining: row.bool("draining")?,
        heartbeat_at: row.time("heartbeat_at")?,
    })
}

fn to_json(pools: &[PoolReport]) -> Result<String> {
    let stored: Vec<StoredPool> = pools.iter().map(StoredPool::from).collect();
    serde_json::to_string(&stored).map_err(|error| Error::internal("A worker's pools are no JSON.").with_source(error))
}

fn pools(row: &Row) -> Result<Vec<PoolReport>> {
    let stored: Vec<StoredPool> = serde_json::from_str(&row.text("pools")?)
        .map_err(|error| Error::internal("A worker's row has damaged pools.").with_source(error))?;
    Ok(stored.into_iter().map(PoolReport::from).collect())
}
