//! Quotas: what is counted, what things count for, the defaults and the refusals' wording (contract §2.8).

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::snapshot::Snapshot;
use crate::volume::{Volume, words};

words! {
    /// Sorted by name: of several exceeded ones the first is reported. `per_volume_gigabytes` is nothing that a project
    /// holds, but how large one volume may be.
    Resource {
        BackupGigabytes = "backup_gigabytes",
        Backups = "backups",
        Gigabytes = "gigabytes",
        Groups = "groups",
        PerVolumeGigabytes = "per_volume_gigabytes",
        Snapshots = "snapshots",
        Volumes = "volumes",
    }
}

impl Resource {
    /// What is also counted for each volume type by itself; the names are `volumes_<type>` and so on.
    pub const OF_TYPES: [Self; 3] = [Self::Volumes, Self::Gigabytes, Self::Snapshots];
}

/// One thing that is counted: a resource, or the part of it that is of one volume type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Counter {
    pub resource: Resource,
    pub volume_type_id: Option<String>,
}

impl Counter {
    #[must_use]
    pub fn of_type(resource: Resource, volume_type_id: &str) -> Self {
        Self { resource, volume_type_id: Some(volume_type_id.to_owned()) }
    }
}

impl From<Resource> for Counter {
    fn from(resource: Resource) -> Self {
        Self { resource, volume_type_id: None }
    }
}

impl Ord for Counter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |counter: &Self| (counter.resource.as_str(), counter.volume_type_id.clone());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Counter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What things count for: amounts that are charged and given back together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Holding {
    amounts: Vec<(Counter, i64)>,
    /// The largest volume among them, or that one of them becomes.
    largest_volume_gb: i64,
}

impl Holding {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn volume(size_gb: i64, volume_type_id: &str) -> Self {
        let counted = Self::both(Resource::Volumes, 1, volume_type_id);
        Self { largest_volume_gb: size_gb, ..counted.and(Self::both(Resource::Gigabytes, size_gb, volume_type_id)) }
    }

    /// What a volume takes more when it grows by so much to this size.
    #[must_use]
    pub fn growth(by_gb: i64, to_gb: i64, volume_type_id: &str) -> Self {
        Self { largest_volume_gb: to_gb, ..Self::both(Resource::Gigabytes, by_gb, volume_type_id) }
    }

    #[must_use]
    pub fn snapshot(size_gb: i64, volume_type_id: &str) -> Self {
        Self::both(Resource::Snapshots, 1, volume_type_id).and(Self::both(Resource::Gigabytes, size_gb, volume_type_id))
    }

    #[must_use]
    pub fn backup(size_gb: i64) -> Self {
        Self::plain(Resource::Backups, 1).and(Self::plain(Resource::BackupGigabytes, size_gb))
    }

    #[must_use]
    pub fn group() -> Self {
        Self::plain(Resource::Groups, 1)
    }

    fn plain(resource: Resource, amount: i64) -> Self {
        Self { amounts: vec![(resource.into(), amount)], largest_volume_gb: 0 }
    }

    fn both(resource: Resource, amount: i64, volume_type_id: &str) -> Self {
        let of_type = (Counter::of_type(resource, volume_type_id), amount);
        Self { amounts: vec![(resource.into(), amount), of_type], largest_volume_gb: 0 }
    }

    /// These things and the others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.amounts.extend(others.amounts);
        self.largest_volume_gb = self.largest_volume_gb.max(others.largest_volume_gb);
        self
    }

    /// Only what counts for volume types: what moves when a volume becomes one of another type.
    #[must_use]
    pub fn of_types(mut self) -> Self {
        self.amounts.retain(|(counter, _)| counter.volume_type_id.is_some());
        Self { largest_volume_gb: 0, ..self }
    }

    #[must_use]
    pub const fn largest_volume_gb(&self) -> i64 {
        self.largest_volume_gb
    }

    /// One amount per counter, in the order of their names.
    ///
    /// Errors: `Internal` when an amount is negative or too large.
    pub fn sums(&self) -> Result<BTreeMap<Counter, i64>> {
        let mut sums: BTreeMap<Counter, i64> = BTreeMap::new();
        for (counter, amount) in &self.amounts {
            let sum = sums.entry(counter.clone()).or_default();
            let added = if *amount < 0 { None } else { sum.checked_add(*amount) };
            *sum = added.ok_or_else(|| {
                Error::internal(format!("A change of quota {} is negative or too large.", counter.resource))
            })?;
        }
        Ok(sums)
    }
}

impl Volume {
    /// What it and its snapshots count for towards the limits of one type, when they are of that type.
    #[must_use]
    pub fn holding_as(&self, type_id: &str, snapshots: &[Snapshot]) -> Holding {
        let volume = Holding::volume(self.size_gb, type_id);
        let add = |sum: Holding, kept: &Snapshot| sum.and(Holding::snapshot(kept.size_gb, type_id));
        snapshots.iter().fold(volume, add).of_types()
    }

    /// What it counts for.
    #[must_use]
    pub fn holding(&self) -> Holding {
        Holding::volume(self.size_gb, &self.volume_type_id)
    }
}

impl Snapshot {
    /// What it counts for.
    #[must_use]
    pub fn holding(&self) -> Holding {
        Holding::snapshot(self.size_gb, &self.volume_type_id)
    }
}

/// What a project may hold; -1 is unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub volumes: i64,
    pub gigabytes: i64,
    pub snapshots: i64,
    pub per_volume_gigabytes: i64,
    pub backups: i64,
    pub backup_gigabytes: i64,
    pub groups: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            volumes: 10,
            gigabytes: 1000,
            snapshots: 10,
            per_volume_gigabytes: -1,
            backups: 10,
            backup_gigabytes: 1000,
            groups: 10,
        }
    }
}

impl Limits {
    #[must_use]
    pub const fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::Gigabytes => self.gigabytes,
            Resource::Snapshots => self.snapshots,
            Resource::PerVolumeGigabytes => self.per_volume_gigabytes,
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
            Resource::Groups => self.groups,
        }
    }
}

/// The refusal when `requested` more of `resource` do not fit (413). `name` says which limit it was: the resource's own, or
/// that of one volume type.
#[must_use]
pub fn exceeded(resource: Resource, name: &str, requested: i64, limit: i64, used: i64) -> Error {
    let message = match resource {
        Resource::BackupGigabytes => format!(
            "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested {requested}G, quota is {limit}G and {used}G has been consumed."
        ),
        Resource::Backups => {
            format!("BackupLimitExceeded: Maximum number of backups allowed ({limit}) exceeded")
        }
        Resource::Gigabytes => format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {name} quota. Requested {requested}G, quota is {limit}G and {used}G has been consumed."
        ),
        Resource::Groups => format!("GroupLimitExceeded: Maximum number of groups allowed ({limit}) exceeded"),
        Resource::PerVolumeGigabytes => format!(
            "VolumeSizeExceedsLimit: Requested volume size {requested}G is larger than maximum allowed limit {limit}G."
        ),
        Resource::Snapshots => {
            format!("SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded")
        }
        Resource::Volumes => {
            format!("VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'.")
        }
    };
    Error::new(Kind::OverLimit, message)
}
