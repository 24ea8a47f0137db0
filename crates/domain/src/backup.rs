//! Backups: the noun, its statuses and what may be done in which of them (contract §1.5, §2.1).

use crate::error::{Error, Result};
use crate::ids::{BackupId, SnapshotId, VolumeId};
use crate::job::Ending;
use crate::message::Cause;
use crate::time::Timestamp;
use crate::volume::words;

words! {
    BackupStatus {
        Error = "error",
        ErrorDeleting = "error_deleting",
        Creating = "creating",
        Available = "available",
        Deleting = "deleting",
        Deleted = "deleted",
        Restoring = "restoring",
    }
}

words! {
    /// What reading a backup's whole chain showed.
    Verdict {
        Proven = "proven",
        Damaged = "damaged",
        Unreadable = "unreadable",
    }
}

impl Verdict {
    /// What the end of a verification says; nothing when somebody stopped it.
    #[must_use]
    pub const fn of(ending: Ending, cause: Cause) -> Option<Self> {
        match (ending, cause) {
            (Ending::Succeeded, _) => Some(Self::Proven),
            (Ending::Failed, Cause::Damage) => Some(Self::Damaged),
            (Ending::Failed, _) => Some(Self::Unreadable),
            (Ending::Cancelled, _) => None,
        }
    }
}

/// The last time that somebody looked whether a backup can be restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verification {
    pub at: Timestamp,
    pub verdict: Verdict,
    /// Why it is not proven.
    pub reason: Option<String>,
}

/// The longest `fail_reason` that a row and a client hold (contract §1.5.2), in characters.
pub const FAIL_REASON_MAX: usize = 255;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backup {
    pub id: BackupId,
    pub project_id: String,
    pub user_id: String,
    pub volume_id: VolumeId,
    pub snapshot_id: Option<SnapshotId>,
    pub parent_id: Option<BackupId>,
    pub name: Option<String>,
    pub description: Option<String>,
    /// The store's container; as the caller gave it, else filled in by the worker that begins.
    pub container: Option<String>,
    pub status: BackupStatus,
    pub fail_reason: Option<String>,
    /// The volume's size, not the bytes stored.
    pub size_gb: i64,
    pub object_count: i64,
    pub availability_zone: Option<String>,
    pub host: Option<String>,
    /// The driver's class path in Cinder's naming; `None` until a worker began.
    pub service: Option<String>,
    /// The object prefix; `None` until a worker began.
    pub service_metadata: Option<String>,
    pub data_timestamp: Timestamp,
    pub restore_volume_id: Option<VolumeId>,
    /// Of an imported backup of an encrypted volume; nothing here makes keys.
    pub encryption_key_id: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    /// Children that are not deleted: derived from `parent_id` when the row is read, never stored.
    pub dependent_backups: i64,
}

impl Backup {
    #[must_use]
    pub const fn is_incremental(&self) -> bool {
        self.parent_id.is_some()
    }

    pub fn check_restore(&self) -> Result<()> {
        if self.status != BackupStatus::Available {
            return Err(Error::invalid("Invalid backup: Backup status must be available"));
        }
        if self.size_gb <= 0 {
            return Err(Error::invalid("Invalid backup: Backup to be restored has invalid size"));
        }
        Ok(())
    }

    pub fn check_verify(&self) -> Result<()> {
        if self.status != BackupStatus::Available {
            return Err(Error::invalid("Invalid backup: Backup status must be available"));
        }
        if self.container.is_none() || self.service_metadata.is_none() {
            return Err(Error::invalid("Invalid backup: Backup has no objects in any store."));
        }
        Ok(())
    }

    /// The driver that wrote it: without one, and without objects, there is nothing to hand on.
    pub fn check_export(&self) -> Result<&str> {
        if self.status != BackupStatus::Available {
            let status = self.status;
            return Err(Error::invalid(format!("Invalid backup: Backup status must be available and not {status}.")));
        }
        let whole = self.service.as_deref().filter(|_| self.service_metadata.is_some());
        whole.ok_or_else(|| Error::invalid("Invalid backup: Backup has no objects in any store."))
    }

    /// Contract §1.5.5; `force` lifts the status rule, never the children's.
    pub fn check_delete(&self, force: bool) -> Result<()> {
        let status_ok = force || matches!(self.status, BackupStatus::Available | BackupStatus::Error);
        if !status_ok {
            return Err(Error::invalid("Invalid backup: Backup status must be available or error"));
        }
        if self.dependent_backups > 0 {
            return Err(Error::invalid("Invalid backup: Incremental backups exist for this backup."));
        }
        Ok(())
    }
}

/// Cuts a reason to what the column and the clients take.
#[must_use]
pub fn fail_reason(text: &str) -> String {
    text.chars().take(FAIL_REASON_MAX).collect()
}
