//! Volume rows.
use crate::{Conn, ListQuery, Scope};
use domain::volume::{Volume, VolumeStatus};
use domain::{Result, Timestamp, VolumeId};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &["id", "name", "description", "status", "size_gb", "availability_zone", "bootable", "host", "pool", "project_id", "user_id", "volume_type_id", "snapshot_id", "source_volume_id", "attach_status", "migration_status", "created_at", "updated_at"];

pub async fn insert(conn: &mut Conn, volume: &Volume) -> Result<()> { todo!() }
/// `NotFound` ("Volume {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Volume> { todo!() }
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Volume>> { todo!() }
pub async fn count(conn: &mut Conn, query: &ListQuery) -> Result<i64> { todo!() }
/// Each `Some` is written; the inner `None` clears.
pub async fn update_texts(conn: &mut Conn, id: VolumeId, name: Option<Option<&str>>, description: Option<Option<&str>>, now: Timestamp) -> Result<()> { todo!() }
/// Compare-and-set: false when the status is none of `from`.
pub async fn change_status(conn: &mut Conn, id: VolumeId, from: &[VolumeStatus], to: VolumeStatus, now: Timestamp) -> Result<bool> { todo!() }
/// `change_status` that also keeps the old status in `previous_status`.
pub async fn take_for_backup(conn: &mut Conn, id: VolumeId, from: VolumeStatus, now: Timestamp) -> Result<bool> { todo!() }
/// Where the volume is `backing-up`: back to `previous_status`, which then shows `marker`.
pub async fn return_from_backup(conn: &mut Conn, id: VolumeId, marker: VolumeStatus, now: Timestamp) -> Result<bool> { todo!() }
pub async fn set_status(conn: &mut Conn, id: VolumeId, to: VolumeStatus, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_attach_status(conn: &mut Conn, id: VolumeId, to: domain::volume::AttachStatus, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_migration_status(conn: &mut Conn, id: VolumeId, to: Option<&str>, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_size(conn: &mut Conn, id: VolumeId, size_gb: i64, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_bootable(conn: &mut Conn, id: VolumeId, bootable: bool, now: Timestamp) -> Result<()> { todo!() }
/// Where the bytes are, when a scheduler placed the volume.
pub async fn set_place(conn: &mut Conn, id: VolumeId, pool: &str, host: &str, now: Timestamp) -> Result<()> { todo!() }
pub async fn set_launched(conn: &mut Conn, id: VolumeId, now: Timestamp) -> Result<()> { todo!() }
/// Removes the row with its metadata and attachments.
pub async fn delete(conn: &mut Conn, id: VolumeId) -> Result<()> { todo!() }
/// Volumes in one of `statuses` with no unfinished job about them, unchanged since `before`: for the reconciler.
pub async fn stuck(conn: &mut Conn, statuses: &[VolumeStatus], before: Timestamp, limit: i64) -> Result<Vec<Volume>> { todo!() }
