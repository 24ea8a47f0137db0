//! How objects, prefixes and containers are called (contract §3.1, §3.10).

use domain::{BackupId, Timestamp, VolumeId};

/// The name of data object `number`, counted from 1.
///
/// The first attempt of a job names its objects as stock Cinder does. Later attempts add `-r<attempt>`: two attempts then
/// never write the same name, and what a dead one still uploads cannot replace an object that a manifest lists.
#[must_use]
pub fn data_object(prefix: &str, number: u64, attempt: i64) -> String {
    if attempt > 1 { format!("{prefix}-{number:05}-r{attempt}") } else { format!("{prefix}-{number:05}") }
}

/// The name of the list of block hashes.
#[must_use]
pub fn sha256_file(prefix: &str) -> String {
    format!("{prefix}_sha256file")
}

/// The name of the manifest. It is written last: its presence means that the backup is complete.
#[must_use]
pub fn metadata(prefix: &str) -> String {
    format!("{prefix}_metadata")
}

/// The prefix of a backup in Swift: `volume_<volume>/<YYYYmmddHHMMSS>/az_<zone>_backup_<backup>`, where `az` is the
/// availability zone of the host that takes the backup.
#[must_use]
pub fn swift_prefix(volume: VolumeId, now: Timestamp, az: &str, backup: BackupId) -> String {
    format!("volume_{volume}/{}/az_{az}_backup_{backup}", compact_time(now))
}

/// The prefix of a backup in a directory: `volume_<volume>_<YYYYmmddHHMMSS>_backup_<backup>`.
#[must_use]
pub fn posix_prefix(volume: VolumeId, now: Timestamp, backup: BackupId) -> String {
    format!("volume_{volume}_{}_backup_{backup}", compact_time(now))
}

/// The container of a backup in a directory when the caller chose none: `<id[0:2]>/<id[2:4]>/<id>`.
#[must_use]
pub fn posix_container(backup: BackupId) -> String {
    let id = backup.to_string();
    format!("{}/{}/{id}", &id[..2], &id[2..4])
}

/// The id under which the objects of this prefix were written, which their documents name. A record that was imported under
/// another id keeps the prefix.
#[must_use]
pub fn written_as(prefix: &str) -> Option<BackupId> {
    prefix.rsplit_once("backup_")?.1.parse().ok()
}

fn compact_time(time: Timestamp) -> String {
    time.utc().format("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = "e300c42c-d6c4-4962-b63a-5acd70661cd2";
    const VOLUME: &str = "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f";

    #[test]
    fn names_are_stocks() {
        let (volume, backup) = (VOLUME.parse().unwrap(), BACKUP.parse().unwrap());
        let now = Timestamp::parse("2026-11-22T14:29:36.485793").unwrap();
        let swift = swift_prefix(volume, now, "nova", backup);
        assert_eq!(swift, format!("volume_{VOLUME}/20261122142936/az_nova_backup_{BACKUP}"));
        assert_eq!(posix_prefix(volume, now, backup), format!("volume_{VOLUME}_20261122142936_backup_{BACKUP}"));
        assert_eq!(posix_container(backup), format!("e3/00/{BACKUP}"));
        for prefix in [&swift, &posix_prefix(volume, now, backup)] {
            assert_eq!(written_as(prefix), Some(backup));
        }
        assert_eq!(written_as("p"), None);
        assert_eq!(sha256_file("p"), "p_sha256file");
        assert_eq!(metadata("p"), "p_metadata");
    }

    #[test]
    fn numbers_grow_past_five_digits_and_attempts_are_apart() {
        assert_eq!(data_object("p", 1, 1), "p-00001");
        assert_eq!(data_object("p", 99_999, 1), "p-99999");
        assert_eq!(data_object("p", 100_000, 1), "p-100000");
        assert_eq!(data_object("p", 7, 3), "p-00007-r3");
    }
}
