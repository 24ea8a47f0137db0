//! Services as `os-services` lists them: one row per (host, binary), kept alive by heartbeats.
use crate::Conn;
use domain::{Result, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    pub host: String,
    /// `cinder-scheduler`, `cinder-volume` or `cinder-backup`: the names clients know.
    pub binary: String,
    pub availability_zone: String,
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    /// Last heartbeat.
    pub reported_at: Timestamp,
    pub created_at: Timestamp,
}

/// Inserts or refreshes; never touches `disabled`.
pub async fn report(conn: &mut Conn, host: &str, binary: &str, availability_zone: &str, now: Timestamp) -> Result<()> { todo!() }
pub async fn list(conn: &mut Conn, host: Option<&str>, binary: Option<&str>) -> Result<Vec<Service>> { todo!() }
/// False when there is no such service.
pub async fn set_disabled(conn: &mut Conn, host: &str, binary: &str, disabled: bool, reason: Option<&str>, now: Timestamp) -> Result<bool> { todo!() }
