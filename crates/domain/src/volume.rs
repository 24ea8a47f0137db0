//! Volumes: the noun, its statuses and what may be done in which of them (contract §1.6, §2.1).

use crate::error::{Error, Result};
use crate::ids::{BackupId, GroupId, SnapshotId, VolumeId};
use crate::time::Timestamp;

/// What the keys and values of one resource's metadata may take together, bytes of UTF-8: a backup carries its volume's.
pub const METADATA_BYTES_MAX: usize = 256 * 1024;

/// Declares an enum of Cinder status words with `as_str` and `parse`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// In the order in which Cinder names them when it refuses an unknown one.
    VolumeStatus {
        Creating = "creating",
        Available = "available",
        Deleting = "deleting",
        Error = "error",
        ErrorDeleting = "error_deleting",
        ErrorManaging = "error_managing",
        Managing = "managing",
        Attaching = "attaching",
        InUse = "in-use",
        Detaching = "detaching",
        Maintenance = "maintenance",
        RestoringBackup = "restoring-backup",
        ErrorRestoring = "error_restoring",
        Reserved = "reserved",
        AwaitingTransfer = "awaiting-transfer",
        BackingUp = "backing-up",
        ErrorBackingUp = "error_backing-up",
        ErrorExtending = "error_extending",
        Downloading = "downloading",
        Uploading = "uploading",
        Retyping = "retyping",
        Extending = "extending",
        Unmanaging = "unmanaging",
        Reverting = "reverting",
    }
}

words! {
    AttachStatus {
        Attached = "attached",
        Attaching = "attaching",
        Detached = "detached",
        Reserved = "reserved",
        ErrorAttaching = "error_attaching",
        ErrorDetaching = "error_detaching",
        Deleted = "deleted",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    pub id: VolumeId,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub size_gb: i64,
    pub status: VolumeStatus,
    /// What `status` was before a backup took the volume; where it returns to.
    pub previous_status: Option<VolumeStatus>,
    pub attach_status: AttachStatus,
    pub migration_status: Option<String>,
    pub availability_zone: String,
    pub volume_type_id: String,
    /// What the bytes are called in the pool, where they came from another one.
    pub name_id: Option<VolumeId>,
    /// The pool that holds the bytes; `None` until a scheduler placed the volume.
    pub pool: Option<String>,
    /// The host that created the file, as `os-vol-host-attr:host` shows it.
    pub host: Option<String>,
    pub snapshot_id: Option<SnapshotId>,
    pub source_volume_id: Option<VolumeId>,
    pub source_backup_id: Option<BackupId>,
    pub group_id: Option<GroupId>,
    pub bootable: bool,
    pub multiattach: bool,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub launched_at: Option<Timestamp>,
}

impl Volume {
    /// What the bytes are called in the pool.
    #[must_use]
    pub fn bytes_id(&self) -> VolumeId {
        self.name_id.unwrap_or(self.id)
    }

    /// Whether it is on its way to another place.
    #[must_use]
    pub fn is_migrating(&self) -> bool {
        !matches!(self.migration_status.as_deref(), None | Some("none" | "deleting" | "error" | "success"))
    }

    /// May it get another type? With `same_qos` the two are held to the same limits, as far as
    /// whoever has it attached can tell.
    pub fn check_retype(&self, to_type: &str, same_qos: bool) -> Result<()> {
        let status_ok = match self.status {
            VolumeStatus::Available => true,
            VolumeStatus::InUse => same_qos,
            _ => false,
        };
        if status_ok && !self.is_migrating() && self.group_id.is_none() && self.volume_type_id != to_type {
            return Ok(());
        }
        Err(Error::invalid(
            "Invalid volume: Retype needs volume to be in available or in-use state, not be part of an active migration or a \
             consistency group, requested type has to be different that the one from the volume, and for in-use volumes \
             front-end qos specs cannot change.",
        ))
    }

    /// May it go to `pool`? A volume that a server uses would need the server's host to follow, and there is none to ask.
    pub fn check_migrate(&self, pool: &str, has_snapshots: bool) -> Result<()> {
        let elsewhere = self.pool.as_deref().is_some_and(|own| own != pool);
        let free = self.status == VolumeStatus::Available && self.group_id.is_none() && !self.is_migrating();
        if free && !has_snapshots && elsewhere {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Invalid volume: Volume {} status must be available or in-use, must not be migrating, have snapshots, be \
             replicated, be part of a group and destination host/cluster must be different than the current one",
            self.id
        )))
    }

    /// May a backup of the volume itself start (contract §1.5.1, step 5)? The answer is the status to come back to.
    pub fn check_backup(&self, force: bool) -> Result<VolumeStatus> {
        match self.status {
            VolumeStatus::Available => Ok(self.status),
            VolumeStatus::InUse if force => Ok(self.status),
            VolumeStatus::InUse => {
                Err(Error::invalid("Invalid volume: Backing up an in-use volume must use the force flag."))
            }
            other => Err(Error::invalid(format!(
                "Invalid volume: Volume to be backed up must be available or in-use, but the current status is \"{other}\"."
            ))),
        }
    }

    /// May a backup of `backup_size_gb` be restored onto this volume (contract §1.5.6)?
    pub fn check_restore_target(&self, backup_size_gb: i64) -> Result<()> {
        if self.status != VolumeStatus::Available {
            return Err(Error::invalid("Invalid volume: Volume to be restored to must be available"));
        }
        if self.size_gb < backup_size_gb {
            return Err(Error::invalid(format!(
                "Invalid volume: volume size {} is too small to restore backup of size {backup_size_gb}.",
                self.size_gb
            )));
        }
        Ok(())
    }

    /// May it be deleted, snapshots aside (contract §1.6.4)? `force` allows any status. One of a group goes with its group.
    pub fn check_delete(&self, has_snapshots: bool, cascade: bool, force: bool) -> Result<()> {
        use VolumeStatus::{Available, Error as Broken, ErrorExtending, ErrorManaging, ErrorRestoring};
        let status_ok =
            force || matches!(self.status, Available | Broken | ErrorRestoring | ErrorExtending | ErrorManaging);
        let attached = self.attach_status == AttachStatus::Attached && !force;
        let free = !attached && self.group_id.is_none();
        if status_ok && free && (cascade || !has_snapshots) {
            return Ok(());
        }
        let snapshots = if cascade { "" } else { " have snapshots," };
        Err(Error::invalid(format!(
            "Invalid volume: Volume status must be available or error or error_restoring or error_extending or \
             error_managing and must not be migrating, attached, belong to a group,{snapshots} awaiting a transfer, or be \
             disassociated from snapshots after volume transfer."
        )))
    }

    /// May it grow to `new_size_gb` (contract §1.6.5)? In use only from microversion 3.42 on.
    pub fn check_extend(&self, new_size_gb: i64, in_use_allowed: bool) -> Result<()> {
        let status_ok =
            self.status == VolumeStatus::Available || (self.status == VolumeStatus::InUse && in_use_allowed);
        if !status_ok {
            return Err(Error::invalid(format!(
                "Invalid volume: Volume {} status must be '{}' to extend, currently {}.",
                self.id,
                if in_use_allowed { "('available', 'in-use')" } else { "available" },
                self.status
            )));
        }
        if new_size_gb <= self.size_gb {
            return Err(Error::invalid(format!(
                "Invalid input received: New size for extend must be greater than current size. (current: {}, extended: {new_size_gb}).",
                self.size_gb
            )));
        }
        Ok(())
    }

    /// The word shown outside (contract §1.6.2).
    #[must_use]
    pub const fn shown_status(&self) -> &'static str {
        match self.status {
            VolumeStatus::Managing => VolumeStatus::Creating.as_str(),
            VolumeStatus::ErrorManaging => VolumeStatus::Error.as_str(),
            other => other.as_str(),
        }
    }
}
