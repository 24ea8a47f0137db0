//! Worker processes that registered, with what they reach; the schedulers' common view of the fleet.
use crate::Conn;
use domain::ids::WorkerId;
use domain::placement::{Candidate, PoolReport};
use domain::{Result, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    pub id: WorkerId,
    pub host: String,
    pub availability_zone: String,
    pub backup_driver: String,
    pub slots: i64,
    pub pools: Vec<PoolReport>,
    pub draining: bool,
    pub heartbeat_at: Timestamp,
}

pub async fn register(conn: &mut Conn, worker: &Worker) -> Result<()> { todo!() }
pub async fn get(conn: &mut Conn, id: WorkerId) -> Result<Option<Worker>> { todo!() }
/// False when the worker is not registered (any more).
pub async fn heartbeat(conn: &mut Conn, id: WorkerId, pools: &[PoolReport], draining: bool, now: Timestamp) -> Result<bool> { todo!() }
/// Live workers (heartbeat after `since`) with their load, counted from the jobs; `disabled` when draining or when the
/// `cinder-backup` service of its host is.
pub async fn candidates(conn: &mut Conn, since: Timestamp) -> Result<Vec<Candidate>> { todo!() }
/// Pool names of all live workers.
pub async fn list(conn: &mut Conn, since: Timestamp) -> Result<Vec<Worker>> { todo!() }
/// Forgets workers without heartbeat since `before`.
pub async fn prune(conn: &mut Conn, before: Timestamp) -> Result<u64> { todo!() }
