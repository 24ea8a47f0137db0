//! From the wire's text to typed ids: what a peer sends is checked here, once.

use domain::ids::{GroupSnapshotId, WorkerId};
use domain::{BackupId, Error, JobId, Kind, Result, SnapshotId, VolumeId};

fn parse<T: std::str::FromStr>(noun: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::new(Kind::Invalid, format!("{noun} id {text:?} is no UUID")))
}

pub fn parse_worker_id(text: &str) -> Result<WorkerId> {
    parse("worker", text)
}

pub fn parse_job_id(text: &str) -> Result<JobId> {
    parse("job", text)
}

pub fn parse_volume_id(text: &str) -> Result<VolumeId> {
    parse("volume", text)
}

pub fn parse_snapshot_id(text: &str) -> Result<SnapshotId> {
    parse("snapshot", text)
}

pub fn parse_group_snapshot_id(text: &str) -> Result<GroupSnapshotId> {
    parse("group snapshot", text)
}

pub fn parse_backup_id(text: &str) -> Result<BackupId> {
    parse("backup", text)
}
