//! Which worker takes a job: filter, then weigh. Pure, so that every choice can be tested.

use crate::capability::ExtraSpecs;
use crate::ids::WorkerId;

/// Volumes are sparse: one may be this many times as large as its pool (Cinder's `max_over_subscription_ratio`).
pub(crate) const OVERCOMMIT: i64 = 20;
const GIB: i64 = 1 << 30;

/// What a scheduler knows of a live worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub worker_id: WorkerId,
    pub host: String,
    /// The driver of its store, a class path in Cinder's naming.
    pub backup_driver: String,
    pub availability_zone: String,
    pub pools: Vec<PoolReport>,
    pub slots: i64,
    /// Jobs assigned to it or running on it.
    pub busy: i64,
    /// Draining: takes no new work.
    pub disabled: bool,
    /// Its `cinder-backup` service is disabled: no backup is made, restored or deleted there.
    pub backups_disabled: bool,
    /// Backends whose `cinder-volume` service is disabled here: they take no new volumes.
    pub closed_backends: Vec<String>,
}

impl Candidate {
    /// Whether it could take one more job.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        !self.disabled && self.busy < self.slots
    }

    /// Whether it is meant to take jobs of `cinder-backup` in this pool, or in none.
    #[must_use]
    pub fn backs_up(&self, pool: Option<&str>) -> bool {
        !self.disabled && !self.backups_disabled && pool.is_none_or(|name| self.pool(name).is_some())
    }

    fn pool(&self, name: &str) -> Option<&PoolReport> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

/// What kind of storage a pool is, in the words that volume types ask for it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backend {
    /// Also the middle part of `host@backend#pool`; several pools may share one.
    pub volume_backend_name: String,
    pub vendor_name: String,
    pub storage_protocol: String,
}

impl Backend {
    pub const VENDOR_NAME: &str = "Emberkeep";
    pub const STORAGE_PROTOCOL: &str = "file";

    /// What a pool is that says nothing of itself.
    #[must_use]
    pub fn of_pool(pool: &str) -> Self {
        Self {
            volume_backend_name: pool.to_owned(),
            vendor_name: Self::VENDOR_NAME.to_owned(),
            storage_protocol: Self::STORAGE_PROTOCOL.to_owned(),
        }
    }

    /// `host@backend`: the name of the `cinder-volume` service of this backend on `host`.
    #[must_use]
    pub fn service_host(&self, host: &str) -> String {
        format!("{host}@{}", self.volume_backend_name)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolReport {
    /// Workers that announce the same name reach the same volumes.
    pub name: String,
    pub backend: Backend,
    pub free_bytes: i64,
    pub total_bytes: i64,
}

impl PoolReport {
    /// `host@backend#pool`, as clients name the pool that `host` reaches.
    #[must_use]
    pub fn address(&self, host: &str) -> String {
        format!("{}#{}", self.backend.service_host(host), self.name)
    }

    /// Whether a volume of this size is no more than [`OVERCOMMIT`] times the pool, whatever else lies in it.
    const fn could_hold(&self, size_bytes: i64) -> bool {
        self.total_bytes >= size_bytes / OVERCOMMIT
    }
}

/// What a job needs from its worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// The bytes live here.
    Pool(String),
    /// A pool for a new volume.
    NewVolume(Wants),
    /// The volume's own pool if it is what is wanted, else another one that is reached together with it.
    Move {
        from: String,
        wants: Wants,
        /// Why the volume can go nowhere else.
        bound: Option<String>,
    },
    /// Only the object store.
    Store,
    /// The store whose driver's class path begins so.
    StoreOf(String),
    /// The same, and what lies in it can lie nowhere else: its workers are waited for.
    WrittenBy(String),
}

/// What a volume needs of the pool that it shall lie in.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Wants {
    pub size_bytes: i64,
    pub specs: ExtraSpecs,
    /// Only pools of this zone's workers.
    pub zone: Option<String>,
    /// Only this pool: a copy lies where its source does.
    pub pool: Option<String>,
}

impl Wants {
    /// Whether the pool is of the right kind, full or not.
    fn suits(&self, pool: &PoolReport) -> bool {
        self.pool.as_ref().is_none_or(|name| *name == pool.name) && self.specs.met_by(pool)
    }

    /// Volumes are sparse: a volume may be larger than what is free, a full pool takes none. Where there is no choice, whoever
    /// writes finds out whether there is room.
    fn fits(&self, pool: &PoolReport) -> bool {
        self.suits(pool) && (self.pool.is_some() || pool.free_bytes > 0 && pool.could_hold(self.size_bytes))
    }

    fn pool_of<'a>(&self, worker: &'a Candidate) -> Option<&'a PoolReport> {
        let in_zone = self.zone.as_ref().is_none_or(|zone| *zone == worker.availability_zone);
        // What lies in a closed backend may still be copied there.
        let is_open = |pool: &PoolReport| {
            self.pool.is_some() || !worker.closed_backends.contains(&pool.backend.volume_backend_name)
        };
        let fitting = worker.pools.iter().filter(|pool| in_zone && self.fits(pool) && is_open(pool));
        fitting.max_by_key(|pool| pool.free_bytes)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    pub worker_id: WorkerId,
    pub host: String,
    /// The pool the job works in; `None` where it needs none.
    pub pool: Option<String>,
    /// That pool as `host@backend#pool`.
    pub address: Option<String>,
}

/// The least loaded worker that can do it, then the emptiest pool; `None` when nobody can now. The worker to `avoid`, which
/// had the job last, comes after all others: it may be alive and yet not work.
#[must_use]
pub fn place<'a>(
    need: &Need,
    candidates: impl IntoIterator<Item = &'a Candidate>,
    avoid: Option<WorkerId>,
) -> Option<Placement> {
    candidates
        .into_iter()
        .filter(|worker| worker.has_room())
        .filter_map(|worker| Some((worker, pool_for(need, worker)?)))
        .min_by_key(|(worker, pool)| {
            let free_bytes = pool.map_or(0, |pool| pool.free_bytes);
            let load = worker.busy * 1000 / worker.slots.max(1);
            (Some(worker.worker_id) == avoid, load, std::cmp::Reverse(free_bytes), worker.worker_id)
        })
        .map(|(worker, pool)| Placement {
            worker_id: worker.worker_id,
            host: worker.host.clone(),
            pool: pool.map(|pool| pool.name.clone()),
            address: pool.map(|pool| pool.address(&worker.host)),
        })
}

fn pool_for<'a>(need: &Need, worker: &'a Candidate) -> Option<Option<&'a PoolReport>> {
    match need {
        Need::Store => Some(None),
        Need::StoreOf(service) | Need::WrittenBy(service) => worker.backup_driver.starts_with(service).then_some(None),
        Need::Pool(name) => worker.pool(name).map(Some),
        Need::NewVolume(wants) => wants.pool_of(worker).map(Some),
        Need::Move { from, wants, bound } => {
            let own = worker.pool(from)?;
            if wants.suits(own) {
                return Some(Some(own));
            }
            if bound.is_some() { None } else { wants.pool_of(worker).map(Some) }
        }
    }
}

/// Why none of these workers can ever take the job, however long it waits: no pool is of the kind that is asked for, or every
/// pool, full or not, is too small, or all workers have another store. `None` where one could, and where no pool is known yet: somebody may come.
#[must_use]
pub fn never_fits(need: &Need, candidates: &[Candidate]) -> Option<String> {
    match need {
        Need::Pool(_) | Need::Store | Need::WrittenBy(_) => None,
        Need::StoreOf(service) => unknown_store(service, candidates),
        Need::NewVolume(wants) => no_pool_for(wants, candidates.iter().flat_map(|worker| &worker.pools)),
        Need::Move { from, wants, bound } => {
            let reaching: Vec<_> = candidates.iter().filter(|worker| worker.pool(from).is_some()).collect();
            let own = reaching.iter().find_map(|worker| worker.pool(from))?;
            if wants.suits(own) {
                return None;
            }
            let others = reaching.iter().flat_map(|worker| &worker.pools).filter(|pool| pool.name != *from);
            bound.clone().or_else(|| no_pool_for(wants, others.chain([own])))
        }
    }
}

fn unknown_store(service: &str, candidates: &[Candidate]) -> Option<String> {
    let known = candidates.is_empty() || candidates.iter().any(|worker| worker.backup_driver.starts_with(service));
    (!known).then(|| {
        format!("Import record failed, cannot find backup service to perform the import. Request service {service}.")
    })
}

fn no_pool_for<'a>(wants: &Wants, pools: impl Iterator<Item = &'a PoolReport>) -> Option<String> {
    let pools: Vec<_> = pools.collect();
    let is_known = |name: &String| pools.iter().any(|pool| pool.name == *name);
    if pools.is_empty() || wants.pool.as_ref().is_some_and(|name| !is_known(name)) {
        return None;
    }
    let suited = pools.into_iter().filter(|pool| wants.suits(pool));
    let Some(largest) = suited.max_by_key(|pool| pool.total_bytes) else {
        return Some(format!(
            "No valid backend was found: no pool has what the volume's type asks for ({}).",
            wants.specs.summary()
        ));
    };
    if wants.pool.is_some() || largest.could_hold(wants.size_bytes) {
        return None;
    }
    let most_gb = largest.total_bytes.saturating_mul(OVERCOMMIT) / GIB;
    Some(format!(
        "No pool can hold a volume of {size_gb} GiB: the largest, {name}, has {total_gb} GiB and takes volumes of up to \
         {most_gb} GiB.",
        size_gb = wants.size_bytes.div_euclid(GIB),
        name = largest.name,
        total_gb = largest.total_bytes / GIB
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn worker(busy: i64, pool: &str, free_bytes: i64) -> Candidate {
        let pools =
            vec![PoolReport { name: pool.into(), backend: Backend::of_pool(pool), free_bytes, total_bytes: 1 << 40 }];
        Candidate {
            worker_id: WorkerId::random(),
            host: "h".into(),
            backup_driver: "cinder.backup.drivers.posix.PosixBackupDriver".into(),
            availability_zone: "z1".into(),
            pools,
            slots: 2,
            busy,
            disabled: false,
            backups_disabled: false,
            closed_backends: Vec::new(),
        }
    }

    fn new_volume(size_bytes: i64) -> Wants {
        Wants { size_bytes, ..Wants::default() }
    }

    fn of_backend(name: &str) -> Wants {
        let specs = BTreeMap::from([("volume_backend_name".to_owned(), name.to_owned())]).into();
        Wants { size_bytes: 1, specs, ..Wants::default() }
    }

    #[test]
    fn only_where_the_pool_is_and_a_slot_is_free() {
        let workers = [worker(2, "a", 1), worker(0, "b", 1), worker(1, "a", 1)];
        let placed = place(&Need::Pool("a".into()), &workers, None).expect("placed");
        assert_eq!(placed.worker_id, workers[2].worker_id);
        assert_eq!(place(&Need::Pool("c".into()), &workers, None), None);
    }

    #[test]
    fn the_idle_one_before_the_roomy_one() {
        let workers = [worker(1, "a", 100), worker(0, "b", 1)];
        let need = Need::NewVolume(new_volume(1));
        assert_eq!(place(&need, &workers, None).expect("placed").pool.as_deref(), Some("b"));
    }

    #[test]
    fn the_one_to_avoid_only_when_there_is_no_other() {
        let workers = [worker(0, "a", 100), worker(1, "a", 1)];
        let need = Need::Pool("a".into());
        let placed =
            |workers: &[Candidate]| place(&need, workers, Some(workers[0].worker_id)).expect("placed").worker_id;
        assert_eq!(placed(&workers), workers[1].worker_id);
        assert_eq!(placed(&workers[..1]), workers[0].worker_id);
    }

    #[test]
    fn the_disabled_gets_nothing() {
        let mut workers = [worker(0, "a", 1)];
        workers[0].disabled = true;
        assert_eq!(place(&Need::Store, &workers, None), None);
    }

    #[test]
    fn a_store_is_known_by_the_start_of_its_driver() {
        let workers = [worker(0, "a", 1)];
        let store = |service: &str| Need::StoreOf(service.into());
        for known in ["", "cinder.backup.drivers.posix", "cinder.backup.drivers.posix.PosixBackupDriver"] {
            assert!(place(&store(known), &workers, None).is_some(), "{known}");
            assert_eq!(never_fits(&store(known), &workers), None);
        }
        let other = store("cinder.backup.drivers.ceph");
        assert_eq!(place(&other, &workers, None), None);
        assert!(never_fits(&other, &workers).expect("a reason").ends_with("cinder.backup.drivers.ceph."));
        assert_eq!(never_fits(&other, &[]), None, "somebody may come");
        let written = Need::WrittenBy("cinder.backup.drivers.ceph".into());
        assert_eq!((place(&written, &workers, None), never_fits(&written, &workers)), (None, None));
    }

    #[test]
    fn a_closed_backend_gets_no_new_volumes() {
        let mut workers = [worker(0, "a", 100), worker(1, "b", 1)];
        workers[0].closed_backends.push("a".into());
        let new = Need::NewVolume(new_volume(1));
        assert_eq!(place(&new, &workers, None).expect("placed").pool.as_deref(), Some("b"));
        assert_eq!(place(&new, &workers[..1], None), None);
        assert!(place(&Need::Pool("a".into()), &workers[..1], None).is_some(), "what lies there is worked on");
    }

    #[test]
    fn only_what_no_pool_could_ever_hold_never_fits() {
        let mut workers = [worker(2, "full", 0), worker(0, "small", 1)];
        workers[1].pools[0].total_bytes = GIB;
        let most = Need::NewVolume(new_volume(20 << 40));
        let more = Need::NewVolume(new_volume(21 << 40));
        assert_eq!(place(&most, &workers, None), None);
        assert_eq!(never_fits(&most, &workers), None, "it waits for the busy one with the full pool");
        let reason = never_fits(&more, &workers).expect("a reason");
        assert!(reason.contains("21504 GiB") && reason.contains("full, has 1024 GiB"), "{reason}");
        assert_eq!(never_fits(&more, &[]), None);
        workers.iter_mut().for_each(|worker| worker.pools.clear());
        assert_eq!(never_fits(&more, &workers), None);
        assert_eq!(never_fits(&Need::Pool("elsewhere".into()), &workers), None);
    }

    #[test]
    fn a_type_chooses_its_pool_and_a_zone_its_workers() {
        let mut workers = [worker(0, "a", 1), worker(1, "b", 1)];
        let pool =
            |wants, workers: &[Candidate]| place(&Need::NewVolume(wants), workers, None).and_then(|placed| placed.pool);
        assert_eq!(pool(of_backend("b"), &workers).as_deref(), Some("b"));
        assert_eq!(pool(of_backend("c"), &workers), None);
        let reason = never_fits(&Need::NewVolume(of_backend("c")), &workers).expect("a reason");
        assert!(reason.contains("volume_backend_name=c"), "{reason}");
        assert_eq!(never_fits(&Need::NewVolume(of_backend("c")), &[]), None, "somebody may come");
        workers[1].availability_zone = "z2".into();
        let wants = Wants { zone: Some("z2".into()), ..new_volume(1) };
        assert_eq!(pool(wants.clone(), &workers).as_deref(), Some("b"));
        assert_eq!(pool(wants, &workers[..1]), None);
        let copy = Need::NewVolume(Wants { pool: Some("a".into()), ..of_backend("b") });
        assert_eq!(place(&copy, &workers, None), None);
        assert!(never_fits(&copy, &workers).is_some(), "a copy lies where its source does");
        assert_eq!(never_fits(&copy, &workers[1..]), None, "its worker may come back");
    }

    #[test]
    fn a_volume_moves_only_where_it_must_and_can() {
        let mut workers = [worker(0, "a", 1), worker(0, "b", 1)];
        let both = worker(1, "b", 1).pools;
        let need = |name: &str, bound: Option<&str>| Need::Move {
            from: "a".into(),
            wants: of_backend(name),
            bound: bound.map(str::to_owned),
        };
        let pool = |need: &Need, workers: &[Candidate]| place(need, workers, None).and_then(|placed| placed.pool);
        assert_eq!(pool(&need("a", None), &workers).as_deref(), Some("a"), "it is there already");
        assert_eq!(pool(&need("b", None), &workers), None, "nobody reaches both");
        assert!(never_fits(&need("b", None), &workers).is_some());
        assert_eq!(never_fits(&need("b", None), &workers[1..]), None, "its own worker may come back");
        workers[0].pools.extend(both);
        let moved = place(&need("b", None), &workers, None).expect("placed");
        assert_eq!((moved.worker_id, moved.pool.as_deref()), (workers[0].worker_id, Some("b")));
        assert_eq!(never_fits(&need("b", None), &workers), None);
        assert_eq!(pool(&need("b", Some("bound")), &workers), None);
        assert_eq!(never_fits(&need("b", Some("bound")), &workers).as_deref(), Some("bound"));
        assert_eq!(never_fits(&need("a", Some("bound")), &workers), None);
    }
}
