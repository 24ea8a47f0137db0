//! Group snapshots: the contents of all volumes of a group (contract §1.10).

use crate::error::{Error, Result};
use crate::group::invalid;
use crate::ids::{GroupId, GroupSnapshotId, GroupTypeId};
use crate::snapshot::SnapshotStatus;
use crate::time::Timestamp;
use crate::volume::{Volume, VolumeStatus, words};

words! {
    /// In the order in which Cinder names them when it refuses an unknown one.
    GroupSnapshotStatus {
        Error = "error",
        Available = "available",
        Creating = "creating",
        Deleting = "deleting",
        Deleted = "deleted",
        Updating = "updating",
        ErrorDeleting = "error_deleting",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSnapshot {
    pub id: GroupSnapshotId,
    pub group_id: GroupId,
    pub group_type_id: GroupTypeId,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: GroupSnapshotStatus,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

impl GroupSnapshot {
    /// May it go? Not while a group is being filled from it.
    pub fn check_delete(&self, has_copies: bool) -> Result<()> {
        if matches!(self.status, GroupSnapshotStatus::Available | GroupSnapshotStatus::Error) && !has_copies {
            return Ok(());
        }
        Err(Error::invalid(
            "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently using it \
             as source for its creation.",
        ))
    }

    /// May a group be made of it?
    pub fn check_copy(&self, parts: &[SnapshotStatus]) -> Result<()> {
        if parts.is_empty() {
            return Err(invalid("Group snapshot is empty. No group will be created."));
        }
        if parts.iter().any(|status| *status != SnapshotStatus::Available) {
            return Err(Error::invalid(
                "Invalid snapshot: Originating snapshot status must be one of 'available' values",
            ));
        }
        Ok(())
    }
}

/// May the volumes of a group be snapshotted together?
pub fn check_create(volumes: &[Volume]) -> Result<()> {
    if volumes.is_empty() {
        return Err(invalid("Group is empty. No group snapshot will be created."));
    }
    let volume = volumes.iter().find(|volume| !matches!(volume.status, VolumeStatus::Available | VolumeStatus::InUse));
    match volume {
        None => Ok(()),
        Some(volume) => Err(Error::invalid(format!(
            "Invalid volume: The snapshot cannot be created: volume {} must be available or in-use, but its status is {}.",
            volume.id, volume.status
        ))),
    }
}

/// What a group's snapshot that is being deleted has become, as its parts say; `None` while they are under way.
#[must_use]
pub fn follows(status: GroupSnapshotStatus, parts: &[SnapshotStatus]) -> Option<Followed> {
    match status {
        GroupSnapshotStatus::Deleting if parts.is_empty() => Some(Followed::Gone),
        GroupSnapshotStatus::Deleting if !parts.contains(&SnapshotStatus::Deleting) => {
            Some(Followed::Becomes(GroupSnapshotStatus::ErrorDeleting))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    Becomes(GroupSnapshotStatus),
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_last_of_its_parts() {
        use SnapshotStatus::{Deleting, ErrorDeleting};
        let emptied = |parts: &[SnapshotStatus]| follows(GroupSnapshotStatus::Deleting, parts);
        assert_eq!(emptied(&[]), Some(Followed::Gone));
        assert_eq!(emptied(&[Deleting, ErrorDeleting]), None);
        assert_eq!(emptied(&[ErrorDeleting]), Some(Followed::Becomes(GroupSnapshotStatus::ErrorDeleting)));
        assert_eq!(follows(GroupSnapshotStatus::Creating, &[]), None);
    }
}
