//! From the wire's parts of a job to typed ones.

use domain::{BackupId, Error, Result, SnapshotId, VolumeId};
use engine::Layer;
use proto::worker as wire;

const GIB: u64 = 1 << 30;

/// A volume and where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct VolumePart {
    pub(super) id: VolumeId,
    /// Empty: it was never placed, so there are no bytes.
    pub(super) pool: String,
    pub(super) size_bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SnapshotPart {
    pub(super) id: SnapshotId,
    /// As for volumes.
    pub(super) pool: String,
}

pub(super) fn volume(part: Option<wire::Volume>) -> Result<VolumePart> {
    let part = present(part)?;
    Ok(VolumePart { id: proto::parse_volume_id(&part.id)?, pool: part.pool, size_bytes: size_bytes(part.size_gb)? })
}

pub(super) fn snapshot(part: Option<wire::Snapshot>) -> Result<SnapshotPart> {
    let part = present(part)?;
    Ok(SnapshotPart { id: proto::parse_snapshot_id(&part.id)?, pool: part.pool })
}

pub(super) fn backup_id(part: &wire::Backup) -> Result<BackupId> {
    proto::parse_backup_id(&part.id)
}

pub(super) fn size_bytes(size_gb: i64) -> Result<u64> {
    let bytes = u64::try_from(size_gb).ok().and_then(|size| size.checked_mul(GIB));
    bytes.ok_or_else(|| Error::invalid(format!("{size_gb} GiB is no size of a volume.")))
}

/// Whole GiB that hold `bytes`.
pub(super) fn size_gb(bytes: u64) -> Result<i64> {
    i64::try_from(bytes.div_ceil(GIB))
        .map_err(|_| Error::invalid(format!("{bytes} bytes are more than a volume holds.")))
}

/// A finished backup's place in the store.
pub(super) fn layer(part: &wire::Backup) -> Result<Layer> {
    let (Some(container), Some(prefix)) = (part.container.clone(), part.prefix.clone()) else {
        return Err(Error::invalid(format!("Invalid backup: Backup {} has no objects in any store.", part.id)));
    };
    let (id, size_bytes, of_snapshot) = (backup_id(part)?, size_bytes(part.size_gb)?, part.of_snapshot);
    Ok(Layer { id, container, prefix, size_bytes, of_snapshot })
}

/// Refuses a backup that another driver wrote: its objects are not in this worker's store. Recorded names may be short or
/// empty, as in imported records (contract §2.6, §2.7).
pub(super) fn check_service(act: &str, configured: &str, part: &wire::Backup) -> Result<()> {
    let recorded = part.service.as_deref().unwrap_or_default();
    if configured.starts_with(recorded) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{act} backup aborted, the backup service currently configured [{configured}] is not the backup service that was \
         used to create this backup [{recorded}]."
    )))
}

pub(super) fn present<T>(part: Option<T>) -> Result<T> {
    part.ok_or_else(|| Error::internal("The scheduler's job lacks a part; scheduler and worker do not fit together."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_and_nonsense_is_refused() {
        assert_eq!(size_gb(0).expect("a size"), 0);
        assert_eq!(size_gb(GIB).expect("a size"), 1);
        assert_eq!(size_gb(GIB + 1).expect("a size"), 2);
        assert_eq!(size_bytes(3).expect("a size"), 3 * GIB);
        assert!(size_bytes(-1).is_err());
        assert!(size_bytes(i64::MAX).is_err());
    }

    #[test]
    fn only_the_own_driver_s_backups_are_touched() {
        let configured = "cinder.backup.drivers.swift.SwiftBackupDriver";
        let backup = |service: &str| wire::Backup { service: Some(service.to_owned()), ..Default::default() };
        for known in [configured, "cinder.backup.drivers.swift", ""] {
            assert!(check_service("Delete", configured, &backup(known)).is_ok(), "{known}");
        }
        let refusal = check_service("Delete", configured, &backup("cinder.backup.drivers.ceph")).unwrap_err();
        assert!(refusal.message().starts_with("Delete backup aborted"));
    }
}
