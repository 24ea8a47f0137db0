//! Snapshot rows.
use crate::{Conn, ListQuery, Scope};
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::{Result, SnapshotId, Timestamp, VolumeId};

pub const COLUMNS: &[&str] = &["id", "name", "description", "status", "volume_id", "size_gb", "project_id", "user_id", "created_at", "updated_at"];

pub async fn insert(conn: &mut Conn, snapshot: &Snapshot) -> Result<()> { todo!() }
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Snapshot> { todo!() }
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Snapshot>> { todo!() }
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> { todo!() }
pub async fn of_volume(conn: &mut Conn, volume: VolumeId) -> Result<Vec<Snapshot>> { todo!() }
pub async fn update_texts(conn: &mut Conn, id: SnapshotId, name: Option<Option<&str>>, description: Option<Option<&str>>, now: Timestamp) -> Result<()> { todo!() }
pub async fn change_status(conn: &mut Conn, id: SnapshotId, from: &[SnapshotStatus], to: SnapshotStatus, now: Timestamp) -> Result<bool> { todo!() }
pub async fn set_status(conn: &mut Conn, id: SnapshotId, to: SnapshotStatus, now: Timestamp) -> Result<()> { todo!() }
/// Removes the row with its metadata.
pub async fn delete(conn: &mut Conn, id: SnapshotId) -> Result<()> { todo!() }
/// As `volumes::stuck`.
pub async fn stuck(conn: &mut Conn, statuses: &[SnapshotStatus], before: Timestamp, limit: i64) -> Result<Vec<Snapshot>> { todo!() }
