//! Backup rows. A deleted backup's row stays with `status = deleted` and is invisible to everything but `exists_any`.
use crate::{Conn, ListQuery, Scope};
use domain::backup::{Backup, BackupStatus};
use domain::{BackupId, Result, Timestamp, VolumeId};

pub const COLUMNS: &[&str] = &["id", "name", "description", "status", "volume_id", "size_gb", "object_count", "container", "availability_zone", "parent_id", "snapshot_id", "host", "service", "fail_reason", "project_id", "user_id", "created_at", "updated_at", "data_timestamp"];

/// Where a worker put the backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub container: String,
    /// `service_metadata`.
    pub prefix: String,
    pub service: String,
    pub availability_zone: String,
    pub host: String,
}

pub async fn insert(conn: &mut Conn, backup: &Backup) -> Result<()> { todo!() }
/// With `dependent_backups` counted from the children.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Backup> { todo!() }
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Backup>> { todo!() }
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> { todo!() }
/// All of a volume in one project, newest data first: candidates for a parent.
pub async fn of_volume(conn: &mut Conn, project_id: &str, volume: VolumeId) -> Result<Vec<Backup>> { todo!() }
/// From the full one to `id`, oldest first. `Damaged` when a parent is missing or the chain has a cycle.
pub async fn chain(conn: &mut Conn, id: BackupId) -> Result<Vec<Backup>> { todo!() }
/// Takes the row's lock for the transaction when the status is `status`; parents are held this way while a child is made,
/// backups while they are deleted, so that the two exclude each other.
pub async fn hold(conn: &mut Conn, id: BackupId, status: BackupStatus) -> Result<bool> { todo!() }
pub async fn update_texts(conn: &mut Conn, id: BackupId, name: Option<Option<&str>>, description: Option<Option<&str>>, now: Timestamp) -> Result<()> { todo!() }
pub async fn change_status(conn: &mut Conn, id: BackupId, from: &[BackupStatus], to: BackupStatus, now: Timestamp) -> Result<bool> { todo!() }
pub async fn set_status(conn: &mut Conn, id: BackupId, to: BackupStatus, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_fail_reason(conn: &mut Conn, id: BackupId, reason: Option<&str>, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_restore_volume(conn: &mut Conn, id: BackupId, volume: Option<VolumeId>, now: Timestamp) -> Result<()> { todo!() }
/// Writes the place where none is set yet, keeps a container the caller chose, and answers what stands.
pub async fn begin(conn: &mut Conn, id: BackupId, place: &Place, now: Timestamp) -> Result<Place> { todo!() }
/// The data objects and the volume's size when it was complete.
pub async fn complete(conn: &mut Conn, id: BackupId, object_count: i64, size_gb: i64, now: Timestamp) -> Result<()> { todo!() }
/// Marks the row deleted and drops its metadata.
pub async fn delete(conn: &mut Conn, id: BackupId, now: Timestamp) -> Result<()> { todo!() }
/// As `volumes::stuck`.
pub async fn stuck(conn: &mut Conn, statuses: &[BackupStatus], before: Timestamp, limit: i64) -> Result<Vec<Backup>> { todo!() }
