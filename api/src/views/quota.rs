//! Quotas and limits as clients see them (contract §1.9, §2.8).

use db::quotas::{Allowed, Usage};
use db::types::VolumeType;
use domain::quota::{Counter, Resource};
use serde_json::{Map, Value, json};

/// What a project may hold and holds.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) allowed: Allowed,
    pub(crate) usage: Usage,
}

/// Every counter with the name that clients know it by: the resources, and those that every volume type brings along.
pub(crate) fn counters(types: &[VolumeType]) -> impl Iterator<Item = (String, Counter)> {
    let plain = Resource::ALL.iter().map(|resource| (resource.to_string(), Counter::from(*resource)));
    let of_type = |kind: &VolumeType| {
        Resource::OF_TYPES.map(|resource| (format!("{resource}_{}", kind.name), Counter::of_type(resource, &kind.id)))
    };
    plain.chain(types.iter().flat_map(of_type))
}

/// `quota_set`: limits alone.
pub(crate) fn set(allowed: &Allowed, types: &[VolumeType]) -> Map<String, Value> {
    counters(types).map(|(name, counter)| (name, allowed.of(&counter).into())).collect()
}

/// `quota_set` with what is in use beside each limit.
pub(crate) fn set_with_usage(quota: &Quota, types: &[VolumeType]) -> Map<String, Value> {
    let entry = |counter: &Counter| json!({"limit": quota.allowed.of(counter), "in_use": quota.usage.of(counter), "reserved": 0});
    counters(types).map(|(name, counter)| (name, entry(&counter))).collect()
}

/// `GET /limits`.
pub(crate) fn limits(quota: &Quota) -> Value {
    let limit = |resource| quota.allowed.plain(resource);
    let used = |resource| quota.usage.plain(resource);
    json!({"limits": {"rate": [], "absolute": {
        "maxTotalVolumes": limit(Resource::Volumes),
        "maxTotalSnapshots": limit(Resource::Snapshots),
        "maxTotalVolumeGigabytes": limit(Resource::Gigabytes),
        "maxTotalBackups": limit(Resource::Backups),
        "maxTotalBackupGigabytes": limit(Resource::BackupGigabytes),
        "totalVolumesUsed": used(Resource::Volumes),
        "totalGigabytesUsed": used(Resource::Gigabytes),
        "totalSnapshotsUsed": used(Resource::Snapshots),
        "totalBackupsUsed": used(Resource::Backups),
        "totalBackupGigabytesUsed": used(Resource::BackupGigabytes),
    }}})
}
