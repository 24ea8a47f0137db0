//! Groups: volumes that are kept together, and what may be done with them in which status (contract §1.10).

use crate::error::{Error, Kind, Result};
use crate::ids::{GroupId, GroupSnapshotId, GroupTypeId};
use crate::time::Timestamp;
use crate::volume::{AttachStatus, Volume, VolumeStatus, words};

words! {
    /// In the order in which Cinder names them when it refuses an unknown one.
    GroupStatus {
        Error = "error",
        Available = "available",
        Creating = "creating",
        Deleting = "deleting",
        Deleted = "deleted",
        Updating = "updating",
        InUse = "in-use",
        ErrorDeleting = "error_deleting",
    }
}

/// Volumes of one project in one pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: GroupId,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: GroupStatus,
    pub availability_zone: String,
    pub group_type_id: GroupTypeId,
    /// The types that its volumes may be of.
    pub volume_type_ids: Vec<String>,
    /// What its volumes were copied from.
    pub group_snapshot_id: Option<GroupSnapshotId>,
    pub source_group_id: Option<GroupId>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

/// What stands in the way of a group's deletion beside its status.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dependents {
    pub group_snapshots: bool,
    /// One of its volumes has a snapshot.
    pub snapshots: bool,
    /// Another group is being filled from it.
    pub copies: bool,
}

impl Group {
    /// May a volume of this type be made in it?
    pub fn check_new_volume(&self, volume_type_id: &str) -> Result<()> {
        if !self.volume_type_ids.iter().any(|known| known == volume_type_id) {
            return Err(Error::invalid(format!(
                "Invalid input received: Invalid volume_type provided: {volume_type_id} (requested type must be supported by \
                 this group)."
            )));
        }
        match self.status {
            GroupStatus::Available | GroupStatus::Creating => Ok(()),
            _ => Err(Error::invalid(
                "Invalid input received: Originating group status must be one of 'available, creating' values",
            )),
        }
    }

    /// May it go? `with_volumes` takes its volumes along and allows any status, as in Cinder.
    pub fn check_delete(&self, volumes: &[Volume], dependents: Dependents, with_volumes: bool) -> Result<()> {
        if !with_volumes && !matches!(self.status, GroupStatus::Available | GroupStatus::Error) {
            return Err(invalid(format!(
                "Group status must be available or error, but current status is: {}",
                self.status
            )));
        }
        if dependents.group_snapshots {
            return Err(invalid("Group has existing snapshots."));
        }
        if !volumes.is_empty() && !with_volumes {
            return Err(invalid(format!(
                "Group {} still contains volumes. The delete-volumes flag is required to delete it.",
                self.id
            )));
        }
        if volumes.iter().any(|volume| volume.attach_status == AttachStatus::Attached) {
            return Err(invalid(format!("Volume in group {} is attached. Need to detach first.", self.id)));
        }
        if dependents.snapshots {
            return Err(invalid("Volume in group still has dependent snapshots."));
        }
        if dependents.copies {
            return Err(invalid(format!(
                "Cannot delete group {}. It cannot be the source for an ongoing group or group snapshot creation.",
                self.id
            )));
        }
        Ok(())
    }

    /// May volumes come and go?
    pub fn check_update_volumes(&self) -> Result<()> {
        match self.status {
            GroupStatus::Available => Ok(()),
            _ => Err(invalid("Group status must be available.")),
        }
    }

    /// May this volume come in? `pool` is where the group's volumes lie, if it has any.
    pub fn check_add(&self, volume: &Volume, pool: Option<&str>) -> Result<()> {
        let refuse = |why: String| {
            let message = format!("Invalid volume: Cannot add volume {} to group {} {why}", volume.id, self.id);
            Err(Error::invalid(message))
        };
        if let Some(other) = volume.group_id {
            return refuse(format!("because it is already in group {other}."));
        }
        if volume.project_id != self.project_id {
            return refuse("as they belong to different projects.".to_owned());
        }
        if !self.volume_type_ids.contains(&volume.volume_type_id) {
            let kind = &volume.volume_type_id;
            return refuse(format!("because volume type {kind} is not supported by the group."));
        }
        if !matches!(volume.status, VolumeStatus::Available | VolumeStatus::InUse) {
            let status = volume.status;
            return refuse(format!(
                "because volume is in an invalid state: {status}. Valid states are: ('available', 'in-use')."
            ));
        }
        if pool.is_some_and(|pool| volume.pool.as_deref() != Some(pool)) {
            return Err(not_local());
        }
        Ok(())
    }

    /// May this volume go out?
    pub fn check_remove(&self, volume: &Volume) -> Result<()> {
        use VolumeStatus::{Available, Error as Broken, ErrorDeleting, InUse};
        if matches!(volume.status, Available | InUse | Broken | ErrorDeleting) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Invalid volume: Cannot remove volume {} from group {} because volume is in an invalid state: {}. Valid states \
             are: ('available', 'in-use', 'error', 'error_deleting').",
            volume.id, self.id, volume.status
        )))
    }

    /// The refusal of a volume to add that is not there.
    #[must_use]
    pub fn cannot_find(&self, volume: &str) -> Error {
        Error::invalid(format!(
            "Invalid volume: Cannot add volume {volume} to group {} because volume cannot be found.",
            self.id
        ))
    }

    /// The refusal of a volume to remove that is not in it.
    #[must_use]
    pub fn not_in_it(&self, volume: &str) -> Error {
        Error::invalid(format!(
            "Invalid volume: Cannot remove volume {volume} from group {} because it is not in the group.",
            self.id
        ))
    }

    /// May another group be made of it?
    pub fn check_copy(&self, volumes: &[Volume]) -> Result<()> {
        if volumes.is_empty() {
            return Err(invalid("Source Group is empty. No group will be created."));
        }
        match volumes.iter().find(|volume| !matches!(volume.status, VolumeStatus::Available | VolumeStatus::InUse)) {
            None => Ok(()),
            Some(_) => Err(Error::invalid(
                "Invalid volume: Originating source volume status must be one of 'available, in-use' values",
            )),
        }
    }

    /// No pool here keeps a second copy of its volumes anywhere.
    #[must_use]
    pub fn not_replicated(&self) -> Error {
        Error::invalid(format!("Invalid group type: Group {} is not a replication group type.", self.id))
    }
}

/// Cinder's refusals about groups.
pub(crate) fn invalid(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, format!("Invalid Group: {why}"))
}

/// The refusal of a volume that lies elsewhere than the group's.
#[must_use]
pub fn not_local() -> Error {
    Error::invalid("Invalid volume: Volume is not local to this node.")
}

/// What a group that is being filled or deleted has become, as its volumes say; `None` while they are under way.
#[must_use]
pub fn follows(status: GroupStatus, volumes: &[VolumeStatus]) -> Option<Followed> {
    let any = |wanted: VolumeStatus| volumes.contains(&wanted);
    match status {
        GroupStatus::Creating if any(VolumeStatus::Creating) => None,
        GroupStatus::Creating if any(VolumeStatus::Error) => Some(Followed::Becomes(GroupStatus::Error)),
        GroupStatus::Creating => Some(Followed::Becomes(GroupStatus::Available)),
        GroupStatus::Deleting if volumes.is_empty() => Some(Followed::Gone),
        GroupStatus::Deleting if any(VolumeStatus::Deleting) => None,
        GroupStatus::Deleting => Some(Followed::Becomes(GroupStatus::ErrorDeleting)),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    Becomes(GroupStatus),
    /// The row goes and its quota with it.
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_its_volumes_are() {
        use VolumeStatus::{Available, Creating, Deleting, Error as Broken, ErrorDeleting};
        let filled = |statuses: &[VolumeStatus]| follows(GroupStatus::Creating, statuses);
        assert_eq!(filled(&[Available, Creating, Broken]), None);
        assert_eq!(filled(&[Available, Broken]), Some(Followed::Becomes(GroupStatus::Error)));
        assert_eq!(filled(&[Available]), Some(Followed::Becomes(GroupStatus::Available)));
        let emptied = |statuses: &[VolumeStatus]| follows(GroupStatus::Deleting, statuses);
        assert_eq!(emptied(&[]), Some(Followed::Gone));
        assert_eq!(emptied(&[ErrorDeleting, Deleting]), None);
        assert_eq!(emptied(&[ErrorDeleting]), Some(Followed::Becomes(GroupStatus::ErrorDeleting)));
        assert_eq!(follows(GroupStatus::Available, &[Broken]), None);
    }
}
