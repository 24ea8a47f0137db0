//! What a job's end means for the rows it was about: one table, applied by one transaction (contract §2.2–2.6).

use crate::backup::BackupStatus;
use crate::group_snapshot::GroupSnapshotStatus;
use crate::job::{Ending, Subject};
use crate::snapshot::SnapshotStatus;
use crate::volume::VolumeStatus;

/// What happens to the volume's row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VolumeEffect {
    Untouched,
    Becomes(VolumeStatus),
    /// Back to `previous_status`; the marker is what `previous_status` shows afterwards.
    Returns {
        marker: VolumeStatus,
    },
    /// The row goes and its quota with it.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotEffect {
    Untouched,
    Becomes(SnapshotStatus),
    Gone,
}

/// What happens to the row of a group's snapshot and to the rows of the snapshots that it consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupSnapshotEffect {
    Untouched,
    Becomes(GroupSnapshotStatus, SnapshotStatus),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupEffect {
    Untouched,
    Becomes(BackupStatus),
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effects {
    pub volume: VolumeEffect,
    pub snapshot: SnapshotEffect,
    pub group_snapshot: GroupSnapshotEffect,
    pub backup: BackupEffect,
    /// The reason is written to the backup's `fail_reason`.
    pub reason_to_backup: bool,
}

const NOTHING: Effects = Effects {
    volume: VolumeEffect::Untouched,
    snapshot: SnapshotEffect::Untouched,
    group_snapshot: GroupSnapshotEffect::Untouched,
    backup: BackupEffect::Untouched,
    reason_to_backup: false,
};

/// The effects of `ending` on the rows of `subject`; `begun` when a worker has had the job.
#[must_use]
pub fn settle(subject: &Subject, ending: Ending, begun: bool) -> Effects {
    use VolumeEffect::{Becomes, Gone, Returns};
    let ok = matches!(ending, Ending::Succeeded);
    let volume = |effect| Effects { volume: effect, ..NOTHING };
    let snapshot = |effect| Effects { snapshot: effect, ..NOTHING };
    match subject {
        Subject::VolumeCreate { .. } if ok => volume(Becomes(VolumeStatus::Available)),
        Subject::VolumeCreate { .. } => volume(Becomes(VolumeStatus::Error)),
        Subject::VolumeDelete { .. } if ok => volume(Gone),
        Subject::VolumeDelete { .. } => volume(Becomes(VolumeStatus::ErrorDeleting)),
        Subject::VolumeExtend { was, .. } if ok => volume(Becomes(*was)),
        Subject::VolumeExtend { .. } => volume(Becomes(VolumeStatus::ErrorExtending)),
        Subject::VolumeManage { .. } if ok => volume(Becomes(VolumeStatus::Available)),
        Subject::VolumeManage { .. } => volume(Becomes(VolumeStatus::ErrorManaging)),
        Subject::VolumeMove { was, .. } => volume(Becomes(*was)),
        Subject::VolumeDiscard { .. } | Subject::BackupVerify { .. } | Subject::BackupSweep { .. } => NOTHING,
        Subject::VolumeRevert { .. } => {
            let status = if ok { VolumeStatus::Available } else { VolumeStatus::Error };
            Effects { volume: Becomes(status), snapshot: SnapshotEffect::Becomes(SnapshotStatus::Available), ..NOTHING }
        }
        Subject::SnapshotCreate { .. } | Subject::SnapshotManage { .. } if ok => {
            snapshot(SnapshotEffect::Becomes(SnapshotStatus::Available))
        }
        Subject::SnapshotCreate { .. } | Subject::SnapshotManage { .. } => {
            snapshot(SnapshotEffect::Becomes(SnapshotStatus::Error))
        }
        Subject::SnapshotDelete { .. } if ok => snapshot(SnapshotEffect::Gone),
        Subject::SnapshotDelete { .. } => snapshot(SnapshotEffect::Becomes(SnapshotStatus::ErrorDeleting)),
        Subject::GroupSnapshotCreate { .. } => {
            let (whole, parts) = match ok {
                true => (GroupSnapshotStatus::Available, SnapshotStatus::Available),
                false => (GroupSnapshotStatus::Error, SnapshotStatus::Error),
            };
            Effects { group_snapshot: GroupSnapshotEffect::Becomes(whole, parts), ..NOTHING }
        }
        Subject::BackupCreate { snapshot_id, .. } => {
            let marker = if ok { VolumeStatus::BackingUp } else { VolumeStatus::ErrorBackingUp };
            let (volume, snapshot) = match snapshot_id {
                Some(_) => (VolumeEffect::Untouched, SnapshotEffect::Becomes(SnapshotStatus::Available)),
                None => (Returns { marker }, SnapshotEffect::Untouched),
            };
            let status = if ok { BackupStatus::Available } else { BackupStatus::Error };
            Effects { volume, snapshot, backup: BackupEffect::Becomes(status), reason_to_backup: !ok, ..NOTHING }
        }
        Subject::BackupRestore { new_volume, .. } => {
            let failed = match ending {
                // Not a byte of it was written over.
                Ending::Cancelled if !begun && !new_volume => VolumeStatus::Available,
                _ if *new_volume => VolumeStatus::Error,
                _ => VolumeStatus::ErrorRestoring,
            };
            let volume = Becomes(if ok { VolumeStatus::Available } else { failed });
            let backup = BackupEffect::Becomes(BackupStatus::Available);
            Effects { volume, backup, reason_to_backup: !ok, ..NOTHING }
        }
        Subject::BackupImport { .. } => {
            let status = if ok { BackupStatus::Available } else { BackupStatus::Error };
            Effects { backup: BackupEffect::Becomes(status), reason_to_backup: !ok, ..NOTHING }
        }
        Subject::BackupDelete { .. } if ok => Effects { backup: BackupEffect::Gone, ..NOTHING },
        Subject::BackupDelete { .. } => {
            Effects { backup: BackupEffect::Becomes(BackupStatus::Error), reason_to_backup: true, ..NOTHING }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{BackupId, SnapshotId, VolumeId};

    const ENDINGS: [Ending; 3] = [Ending::Succeeded, Ending::Failed, Ending::Cancelled];

    #[test]
    fn a_volume_leaves_backing_up_however_the_backup_ends() {
        let subject = Subject::BackupCreate {
            backup_id: BackupId::random(),
            volume_id: VolumeId::random(),
            snapshot_id: None,
            freeze: false,
        };
        for ending in ENDINGS {
            assert!(matches!(settle(&subject, ending, true).volume, VolumeEffect::Returns { .. }), "{ending:?}");
        }
    }

    #[test]
    fn a_snapshot_backup_never_touches_the_volume() {
        let subject = Subject::BackupCreate {
            backup_id: BackupId::random(),
            volume_id: VolumeId::random(),
            snapshot_id: Some(SnapshotId::random()),
            freeze: false,
        };
        for ending in ENDINGS {
            let effects = settle(&subject, ending, true);
            assert_eq!(effects.volume, VolumeEffect::Untouched);
            assert_eq!(effects.snapshot, SnapshotEffect::Becomes(SnapshotStatus::Available));
        }
    }

    #[test]
    fn a_failed_restore_leaves_the_backup_available_and_the_volume_in_error() {
        for (new_volume, failed) in [(true, VolumeStatus::Error), (false, VolumeStatus::ErrorRestoring)] {
            let subject =
                Subject::BackupRestore { backup_id: BackupId::random(), volume_id: VolumeId::random(), new_volume };
            let effects = settle(&subject, Ending::Failed, true);
            assert_eq!(effects.volume, VolumeEffect::Becomes(failed));
            assert_eq!(effects.backup, BackupEffect::Becomes(BackupStatus::Available));
            assert!(effects.reason_to_backup);
        }
    }

    #[test]
    fn a_restore_that_never_began_leaves_its_volume_as_it_was() {
        let subject =
            Subject::BackupRestore { backup_id: BackupId::random(), volume_id: VolumeId::random(), new_volume: false };
        let volume = |begun| settle(&subject, Ending::Cancelled, begun).volume;
        assert_eq!(volume(false), VolumeEffect::Becomes(VolumeStatus::Available));
        assert_eq!(volume(true), VolumeEffect::Becomes(VolumeStatus::ErrorRestoring));
    }
}
