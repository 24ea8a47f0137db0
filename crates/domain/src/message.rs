//! User messages: what the owner of a volume, a snapshot or a backup is told of an act that failed after it had been accepted
//! (contract §1.10). Numbers and sentences are Cinder's: clients match them. Those from 900 on are of acts that Cinder does
//! not know.

use crate::ids::{BackupId, MessageId, SnapshotId, VolumeId};
use crate::job::Subject;
use crate::time::Timestamp;

/// How long a message is kept at least (Cinder's `message_ttl`).
pub const TTL_SECS: i64 = 30 * 24 * 60 * 60;

/// Declares an enum of Cinder's numbered sentences.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal, $sentence:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($variant),* }

        impl $name {
            /// The three digits by which an event names it.
            #[must_use]
            pub const fn number(self) -> &'static str {
                match self { $(Self::$variant => $number),* }
            }

            /// What a user reads.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),* }
            }

            #[must_use]
            pub fn parse(number: &str) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

numbered! {
    /// What was being done.
    Action {
        ScheduleAllocateVolume = "001", "schedule allocate volume";
        AttachVolume = "002", "attach volume";
        CopyVolumeToImage = "003", "copy volume to image";
        UpdateAttachment = "004", "update attachment";
        CopyImageToVolume = "005", "copy image to volume";
        UnmanageVolume = "006", "unmanage volume";
        ExtendVolume = "007", "extend volume";
        CreateVolumeFromBackend = "008", "create volume from backend storage";
        SnapshotCreate = "009", "create snapshot";
        SnapshotDelete = "010", "delete snapshot";
        SnapshotUpdate = "011", "update snapshot";
        SnapshotMetadataUpdate = "012", "update snapshot metadata";
        BackupCreate = "013", "create backup";
        BackupDelete = "014", "delete backup";
        BackupRestore = "015", "restore backup";
        ReimageVolume = "016", "reimage volume";
        BackupVerify = "901", "verify backup";
    }
}

numbered! {
    /// What went wrong.
    Detail {
        UnknownError = "001", "An unknown error occurred.";
        DriverNotInitialized = "002", "Driver is not initialized at present.";
        NoBackendAvailable = "003", "Could not find any available weighted backend.";
        FailedToUploadVolume = "004", "Failed to upload volume to image at backend.";
        VolumeAttachModeInvalid = "005", "Volume's attach mode is invalid.";
        QuotaExceed = "006", "Not enough quota resource for operation.";
        NotEnoughSpaceForImage = "007", "Image used for creating volume exceeds available space.";
        UnmanageEncNotSupported = "008", "Unmanaging encrypted volumes is not supported.";
        NotifyComputeServiceFailed = "009", "Compute service failed to extend volume.";
        DriverFailedExtend = "010", "Volume Driver failed to extend volume.";
        SignatureVerificationFailed = "011", "Image signature verification failed.";
        DriverFailedCreate = "012", "Driver failed to create the volume.";
        SnapshotCreateError = "013", "Snapshot failed to create.";
        SnapshotUpdateMetadataFailed = "014", "Volume snapshot update metadata failed.";
        SnapshotIsBusy = "015", "Snapshot is busy.";
        SnapshotDeleteError = "016", "Snapshot failed to delete.";
        BackupInvalidState = "017", "Backup status is invalid.";
        BackupServiceDown = "018", "Backup service is down.";
        BackupCreateDeviceError = "019", "Failed to get backup device from the volume service.";
        BackupCreateDriverError = "020", "Backup driver failed to create backup.";
        AttachError = "021", "Failed to attach volume.";
        DetachError = "022", "Failed to detach volume.";
        BackupCreateCleanupError = "023", "Cleanup of temporary volume/snapshot failed.";
        BackupScheduleError = "024", "Backup failed to schedule. Service not found for creating backup.";
        BackupDeleteDriverError = "025", "Backup driver failed to delete backup.";
        BackupRestoreError = "026", "Backup driver failed to restore backup.";
        VolumeInvalidState = "027", "Volume status is invalid.";
        ReimageVolumeFailed = "028", "Compute service failed to reimage volume.";
        ImageFormatUnacceptable = "029",
            "The image disk format must be the same as the volume format for the volume type you are requesting.";
        IncrementalBackupForcesFullBackup = "030", "Incremental backup not possible, forcing full backup.";
        BackupDamaged = "901", "What is stored is not what was backed up.";
        BackupUnreadable = "902", "What is stored could not be read.";
    }
}

/// Whom a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    Volume(VolumeId),
    Snapshot(SnapshotId),
    Backup(BackupId),
}

impl About {
    /// Cinder's word for what it is.
    #[must_use]
    pub const fn resource_type(self) -> &'static str {
        match self {
            Self::Volume(_) => "VOLUME",
            Self::Snapshot(_) => "VOLUME_SNAPSHOT",
            Self::Backup(_) => "VOLUME_BACKUP",
        }
    }

    #[must_use]
    pub fn resource_id(self) -> String {
        match self {
            Self::Volume(id) => id.to_string(),
            Self::Snapshot(id) => id.to_string(),
            Self::Backup(id) => id.to_string(),
        }
    }
}

/// Who is told, because of which request, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: MessageId,
    pub project_id: String,
    /// Of the request that asked for the act; empty where none did.
    pub request_id: String,
    /// Words as [`About`] gives them.
    pub resource_type: String,
    pub resource_id: String,
    pub event_id: String,
    pub action: Action,
    pub detail: Detail,
    pub level: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Message {
    /// A new message of the level `ERROR`.
    #[must_use]
    pub fn error(
        project_id: &str,
        request_id: Option<&str>,
        about: About,
        (action, detail): (Action, Detail),
        now: Timestamp,
    ) -> Self {
        let resource_type = about.resource_type();
        Self {
            id: MessageId::random(),
            project_id: project_id.to_owned(),
            request_id: request_id.unwrap_or_default().to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id: about.resource_id(),
            event_id: format!("VOLUME_{resource_type}_{}_{}", action.number(), detail.number()),
            action,
            detail,
            level: "ERROR".to_owned(),
            created_at: now,
            expires_at: now.plus_secs(TTL_SECS),
        }
    }

    /// What a user reads.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}:{}", self.action.sentence(), self.detail.sentence())
    }
}

/// Where the first cause of a job's failure lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No worker can ever take it.
    NoPlace,
    /// What it is about was in another status when a worker came for it.
    WrongStatus,
    /// The worker that ran it was lost.
    WorkerLost,
    /// What the worker read contradicts itself, or is not there.
    Damage,
    /// The worker tried and could not.
    Worker,
}

/// What the owner is told of a job that failed; `None` where Cinder has no words for it.
#[must_use]
pub fn of_failure(subject: &Subject, cause: Cause) -> Option<(About, Action, Detail)> {
    let of_backup = |driver_error| match cause {
        Cause::WrongStatus => Detail::BackupInvalidState,
        Cause::WorkerLost => Detail::BackupServiceDown,
        Cause::NoPlace | Cause::Damage | Cause::Worker => driver_error,
    };
    let unplaced = cause == Cause::NoPlace;
    Some(match subject {
        Subject::VolumeCreate { volume_id } | Subject::BackupRestore { volume_id, new_volume: true, .. }
            if unplaced =>
        {
            (About::Volume(*volume_id), Action::ScheduleAllocateVolume, Detail::NoBackendAvailable)
        }
        Subject::VolumeCreate { volume_id } => {
            (About::Volume(*volume_id), Action::CreateVolumeFromBackend, Detail::DriverFailedCreate)
        }
        Subject::VolumeExtend { volume_id, .. } if unplaced => {
            (About::Volume(*volume_id), Action::ExtendVolume, Detail::NoBackendAvailable)
        }
        Subject::VolumeExtend { volume_id, .. } => {
            (About::Volume(*volume_id), Action::ExtendVolume, Detail::DriverFailedExtend)
        }
        Subject::SnapshotCreate { snapshot_id, .. } | Subject::SnapshotManage { snapshot_id, .. } => {
            (About::Snapshot(*snapshot_id), Action::SnapshotCreate, Detail::SnapshotCreateError)
        }
        Subject::SnapshotDelete { snapshot_id, .. } => {
            (About::Snapshot(*snapshot_id), Action::SnapshotDelete, Detail::SnapshotDeleteError)
        }
        Subject::BackupCreate { backup_id, .. } if unplaced => {
            (About::Backup(*backup_id), Action::BackupCreate, Detail::BackupScheduleError)
        }
        Subject::BackupCreate { backup_id, .. } => {
            (About::Backup(*backup_id), Action::BackupCreate, of_backup(Detail::BackupCreateDriverError))
        }
        Subject::BackupRestore { backup_id, .. } if unplaced => {
            (About::Backup(*backup_id), Action::BackupRestore, Detail::AttachError)
        }
        Subject::BackupRestore { backup_id, .. } => {
            (About::Backup(*backup_id), Action::BackupRestore, of_backup(Detail::BackupRestoreError))
        }
        Subject::BackupDelete { backup_id } => {
            (About::Backup(*backup_id), Action::BackupDelete, of_backup(Detail::BackupDeleteDriverError))
        }
        Subject::BackupVerify { backup_id } => {
            let detail = match cause {
                Cause::Damage => Detail::BackupDamaged,
                _ => of_backup(Detail::BackupUnreadable),
            };
            (About::Backup(*backup_id), Action::BackupVerify, detail)
        }
        Subject::VolumeDelete { .. }
        | Subject::VolumeManage { .. }
        | Subject::VolumeRevert { .. }
        | Subject::VolumeMove { .. }
        | Subject::VolumeDiscard { .. }
        | Subject::GroupSnapshotCreate { .. }
        | Subject::BackupImport { .. }
        | Subject::BackupSweep { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_texts_are_cinders() {
        let backup_id = BackupId::random();
        let subject = Subject::BackupRestore { backup_id, volume_id: VolumeId::random(), new_volume: false };
        let (about, action, detail) = of_failure(&subject, Cause::Worker).expect("words");
        let now = Timestamp::from_micros(0);
        let message = Message::error("p", Some("req-1"), about, (action, detail), now);
        assert_eq!(message.event_id, "VOLUME_VOLUME_BACKUP_015_026");
        assert_eq!(message.text(), "restore backup:Backup driver failed to restore backup.");
        assert_eq!(message.resource_id, backup_id.to_string());
        assert_eq!(message.expires_at, now.plus_secs(2_592_000));
    }

    #[test]
    fn a_new_volume_that_fits_nowhere_is_the_scheduler_s_failure() {
        let volume_id = VolumeId::random();
        let restore = Subject::BackupRestore { backup_id: BackupId::random(), volume_id, new_volume: true };
        for subject in [Subject::VolumeCreate { volume_id }, restore] {
            let (about, action, detail) = of_failure(&subject, Cause::NoPlace).expect("words");
            assert_eq!(about, About::Volume(volume_id));
            assert_eq!((action.number(), detail.number()), ("001", "003"));
        }
    }

    #[test]
    fn a_lost_worker_is_told_from_one_that_could_not() {
        let subject = Subject::BackupDelete { backup_id: BackupId::random() };
        let number = |cause| of_failure(&subject, cause).expect("words").2.number();
        let numbers = [Cause::WorkerLost, Cause::Worker, Cause::WrongStatus].map(number);
        assert_eq!(numbers, ["018", "025", "017"]);
    }

    #[test]
    fn damage_is_told_from_what_could_not_be_read() {
        let subject = Subject::BackupVerify { backup_id: BackupId::random() };
        let number = |cause| of_failure(&subject, cause).expect("words").2.number();
        assert_eq!([Cause::Damage, Cause::Worker].map(number), ["901", "902"]);
    }
}
