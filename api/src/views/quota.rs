//! Quotas and limits as clients see them (contract §1.9, §2.8).

use db::types::VolumeType;
use domain::quota::{Limits, Resource};
use serde_json::{Map, Value, json};

/// Resources that Cinder has and that nothing here limits, with the limits that Cinder shows for them.
pub(crate) const UNLIMITED: [(&str, i64); 2] = [("per_volume_gigabytes", -1), ("groups", 10)];

/// What a project may hold and holds.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) limits: Limits,
    pub(crate) usage: Vec<(Resource, i64)>,
}

impl Quota {
    pub(crate) fn used(&self, resource: Resource) -> i64 {
        self.usage.iter().find(|(counted, _)| *counted == resource).map_or(0, |(_, used)| *used)
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, i64, i64)> {
        let limited = Resource::ALL.iter().map(|kind| (kind.as_str(), self.limits.of(*kind), self.used(*kind)));
        limited.chain(UNLIMITED.iter().map(|(name, limit)| (*name, *limit, 0)))
    }
}

/// The names of the limits that every volume type brings along; nothing here limits by type.
pub(crate) fn names_of_type(name: &str) -> [String; 3] {
    ["volumes", "gigabytes", "snapshots"].map(|resource| format!("{resource}_{name}"))
}

/// `quota_set`: limits alone, or with `usage` what is in use beside each.
pub(crate) fn set(quota: &Quota, types: &[VolumeType], usage: bool) -> Map<String, Value> {
    let entry = |limit: i64, used: i64| {
        if usage { json!({"limit": limit, "in_use": used, "reserved": 0}) } else { limit.into() }
    };
    let mut set: Map<String, Value> =
        quota.each().map(|(name, limit, used)| (name.to_owned(), entry(limit, used))).collect();
    for name in types.iter().flat_map(|kind| names_of_type(&kind.name)) {
        set.insert(name, entry(-1, 0));
    }
    set
}

/// `GET /limits`.
pub(crate) fn limits(quota: &Quota) -> Value {
    let limit = |resource| quota.limits.of(resource);
    let used = |resource| quota.used(resource);
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
