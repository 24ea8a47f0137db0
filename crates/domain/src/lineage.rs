//! Which backup an incremental builds on (contract §2.4).

use crate::backup::{Backup, BackupStatus};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Chooses the parent among the volume's backups in the caller's project, newest data first.
///
/// `snapshot_created_at` is set when a snapshot is being backed up: then a parent must hold older data. Where no available
/// backup is older than the snapshot, any available one serves, as in Cinder: the comparison is by content.
pub fn choose_parent(candidates: &[Backup], snapshot_created_at: Option<Timestamp>) -> Result<&Backup> {
    let score = |backup: &Backup| -> Option<Timestamp> {
        let available = backup.status == BackupStatus::Available;
        let older = snapshot_created_at.is_none_or(|instant| backup.data_timestamp < instant);
        (available && older).then_some(backup.data_timestamp)
    };
    let mut best: Option<&Backup> = None;
    for candidate in candidates {
        if best.is_none_or(|best| score(candidate) > score(best)) {
            best = Some(candidate);
        }
    }
    best.filter(|backup| backup.status == BackupStatus::Available)
        .ok_or_else(|| Error::invalid("Invalid backup: No backups available to do an incremental backup."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{BackupId, VolumeId};

    fn backup(at: i64, status: BackupStatus) -> Backup {
        Backup {
            id: BackupId::random(),
            project_id: "p".into(),
            user_id: "u".into(),
            volume_id: VolumeId::random(),
            snapshot_id: None,
            parent_id: None,
            name: None,
            description: None,
            container: None,
            status,
            fail_reason: None,
            size_gb: 1,
            object_count: 0,
            availability_zone: None,
            host: None,
            service: None,
            service_metadata: None,
            data_timestamp: Timestamp::from_micros(at),
            restore_volume_id: None,
            encryption_key_id: None,
            created_at: Timestamp::from_micros(at),
            updated_at: None,
            dependent_backups: 0,
        }
    }

    #[test]
    fn the_newest_available_wins() {
        let list =
            [backup(1, BackupStatus::Available), backup(3, BackupStatus::Available), backup(9, BackupStatus::Creating)];
        assert_eq!(choose_parent(&list, None).expect("a parent").id, list[1].id);
    }

    #[test]
    fn a_snapshot_wants_older_data_strictly() {
        let list = [backup(8, BackupStatus::Available), backup(20, BackupStatus::Available)];
        let at = |micros| Some(Timestamp::from_micros(micros));
        assert_eq!(choose_parent(&list, at(10)).expect("a parent").id, list[0].id);
        assert_eq!(choose_parent(&list, at(20)).expect("a parent").id, list[0].id);
    }

    #[test]
    fn none_available_is_refused() {
        assert!(choose_parent(&[], None).is_err());
        assert!(choose_parent(&[backup(1, BackupStatus::Error)], None).is_err());
        let restoring = [backup(1, BackupStatus::Restoring)];
        let refusal = choose_parent(&restoring, None).expect_err("refused");
        assert_eq!(refusal.message(), "Invalid backup: No backups available to do an incremental backup.");
    }
}
