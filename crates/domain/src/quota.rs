//! Quotas: what is counted, the defaults and the refusals' wording (contract §2.8).

use crate::error::{Error, Kind};
use crate::volume::words;

words! {
    /// Sorted by name: of several exceeded ones the first is reported.
    Resource {
        BackupGigabytes = "backup_gigabytes",
        Backups = "backups",
        Gigabytes = "gigabytes",
        Snapshots = "snapshots",
        Volumes = "volumes",
    }
}

/// What a project may hold; -1 is unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub volumes: i64,
    pub gigabytes: i64,
    pub snapshots: i64,
    pub backups: i64,
    pub backup_gigabytes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { volumes: 10, gigabytes: 1000, snapshots: 10, backups: 10, backup_gigabytes: 1000 }
    }
}

impl Limits {
    #[must_use]
    pub const fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::Gigabytes => self.gigabytes,
            Resource::Snapshots => self.snapshots,
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
        }
    }
}

/// The refusal when `requested` more of `resource` do not fit (413).
#[must_use]
pub fn exceeded(resource: Resource, requested: i64, limit: i64, used: i64) -> Error {
    let message = match resource {
        Resource::BackupGigabytes => format!(
            "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested {requested}G, quota is {limit}G and {used}G has been consumed."
        ),
        Resource::Backups => {
            format!("BackupLimitExceeded: Maximum number of backups allowed ({limit}) exceeded")
        }
        Resource::Gigabytes => format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested {requested}G, quota is {limit}G and {used}G has been consumed."
        ),
        Resource::Snapshots => {
            format!("SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded")
        }
        Resource::Volumes => {
            format!("VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota 'volumes'.")
        }
    };
    Error::new(Kind::OverLimit, message)
}
