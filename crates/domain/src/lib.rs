//! Nouns and rules: volumes, snapshots, backups, jobs, lineage, quota, placement.
//!
//! Pure: no serde, no tokio, no SQL, no HTTP, no protobuf. Every rule that decides what may happen to a volume, a backup
//! or a job stands here, so that the api and the scheduler cannot disagree about it.

pub mod attachment;
pub mod backup;
pub mod capability;
pub mod error;
pub mod group;
pub mod group_snapshot;
pub mod group_type;
pub mod ids;
pub mod job;
pub mod lineage;
pub mod message;
pub mod placement;
pub mod quota;
pub mod settle;
pub mod snapshot;
pub mod time;
pub mod transfer;
pub mod volume;

pub use error::{Error, Kind, Result};
pub use ids::{BackupId, JobId, SnapshotId, VolumeId};
pub use time::Timestamp;
