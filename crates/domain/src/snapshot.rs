//! Snapshots: a volume's content at one instant (contract §1.7).

use crate::error::{Error, Result};
use crate::ids::{GroupSnapshotId, SnapshotId, VolumeId};
use crate::time::Timestamp;
use crate::volume::{Volume, VolumeStatus, words};

words! {
    SnapshotStatus {
        Error = "error",
        Available = "available",
        Creating = "creating",
        Deleting = "deleting",
        Deleted = "deleted",
        Updating = "updating",
        ErrorDeleting = "error_deleting",
        Unmanaging = "unmanaging",
        BackingUp = "backing-up",
        Restoring = "restoring",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub volume_id: VolumeId,
    pub project_id: String,
    pub user_id: String,
    /// For whose quotas it counts; its volume's.
    pub volume_type_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub size_gb: i64,
    pub status: SnapshotStatus,
    /// How far its making is, as `os-update_snapshot_status` told; otherwise the status says it.
    pub progress: Option<String>,
    /// The snapshot of a whole group that it is a part of.
    pub group_snapshot_id: Option<GroupSnapshotId>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

impl Snapshot {
    /// May it be backed up as a snapshot of `volume_id` (contract §1.5.1, step 4)?
    pub fn check_backup(&self, volume_id: VolumeId) -> Result<()> {
        if self.volume_id != volume_id {
            return Err(Error::invalid(format!(
                "Invalid volume: Volume {volume_id} does not match with snapshot.volume_id {}.",
                self.volume_id
            )));
        }
        if self.status != SnapshotStatus::Available {
            return Err(Error::invalid(format!(
                "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"{}\".",
                self.status
            )));
        }
        Ok(())
    }

    /// May `os-update_snapshot_status` write this status (contract §1.7)?
    pub fn check_told_status(&self, to: SnapshotStatus) -> Result<()> {
        use SnapshotStatus::{Available, Creating, Deleting, Error as Broken, ErrorDeleting};
        let may_follow: &[SnapshotStatus] = match self.status {
            Creating => &[Creating, Available, Broken],
            Deleting => &[Deleting, ErrorDeleting],
            other => {
                return Err(Error::invalid(format!("Snapshot status {other} not allowed for update_snapshot_status")));
            }
        };
        if may_follow.contains(&to) { Ok(()) } else { Err(self.refuse_told_status(to.as_str())) }
    }

    /// The refusal of a status that does not follow the present one.
    #[must_use]
    pub fn refuse_told_status(&self, to: &str) -> Error {
        Error::invalid(format!("Provided snapshot status {to} not allowed for snapshot with status {}.", self.status))
    }

    /// `force` allows any status. One that is a part of a group's snapshot goes with that.
    pub fn check_delete(&self, force: bool) -> Result<()> {
        if self.group_snapshot_id.is_some() {
            let statuses = if force { "" } else { "status must be available or error and " };
            return Err(Error::invalid(format!("Invalid snapshot: Snapshot {statuses}must not be part of a group.")));
        }
        match self.status {
            _ if force => Ok(()),
            SnapshotStatus::Available | SnapshotStatus::Error => Ok(()),
            other => Err(Error::invalid(format!(
                "Invalid snapshot: Snapshot status must be available or error, but the current status is {other}."
            ))),
        }
    }
}

/// May `volume` be snapshotted? `in_use_allowed` is `force`, or microversion 3.66 and later (contract §1.7).
pub fn check_create(volume: &Volume, in_use_allowed: bool) -> Result<()> {
    match volume.status {
        VolumeStatus::Available => Ok(()),
        VolumeStatus::InUse if in_use_allowed => Ok(()),
        other => Err(Error::invalid(format!(
            "Invalid volume: Volume {} status must be available, but current status is: {other}.",
            volume.id
        ))),
    }
}
