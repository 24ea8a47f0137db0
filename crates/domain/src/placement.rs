//! Which worker takes a job: filter, then weigh. Pure, so that every choice can be tested.

use crate::ids::WorkerId;

/// What a scheduler knows of a live worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub worker_id: WorkerId,
    pub host: String,
    pub pools: Vec<PoolReport>,
    pub slots: i64,
    /// Jobs assigned to it or running on it.
    pub busy: i64,
    /// `os-services disable` or draining: takes no new work.
    pub disabled: bool,
}

impl Candidate {
    /// Whether it could take one more job.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        !self.disabled && self.busy < self.slots
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolReport {
    pub name: String,
    pub free_bytes: i64,
    pub total_bytes: i64,
}

/// What a job needs from its worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// The bytes live here.
    Pool(String),
    /// A pool with room for a new volume.
    AnyPool { size_bytes: i64 },
    /// Only the object store.
    Store,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    pub worker_id: WorkerId,
    pub host: String,
    /// The pool the job works in; `None` where it needs none.
    pub pool: Option<String>,
}

/// The least loaded worker that can do it, then the emptiest pool; `None` when nobody can now. The worker to `avoid`, which
/// had the job last, comes after all others: it may be alive and yet not work.
#[must_use]
pub fn place(need: &Need, candidates: &[Candidate], avoid: Option<WorkerId>) -> Option<Placement> {
    candidates
        .iter()
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
        })
}

fn pool_for<'a>(need: &Need, worker: &'a Candidate) -> Option<Option<&'a PoolReport>> {
    match need {
        Need::Store => Some(None),
        Need::Pool(name) => worker.pools.iter().find(|pool| pool.name == *name).map(Some),
        // Volumes are sparse: a volume may be larger than what is free, a full pool takes none.
        Need::AnyPool { size_bytes } => worker
            .pools
            .iter()
            .filter(|pool| pool.free_bytes > 0 && pool.total_bytes >= *size_bytes / 20)
            .max_by_key(|pool| pool.free_bytes)
            .map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(busy: i64, pool: &str, free_bytes: i64) -> Candidate {
        let pools = vec![PoolReport { name: pool.into(), free_bytes, total_bytes: 1 << 40 }];
        Candidate { worker_id: WorkerId::random(), host: "h".into(), pools, slots: 2, busy, disabled: false }
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
        let need = Need::AnyPool { size_bytes: 1 };
        assert_eq!(place(&need, &workers, None).expect("placed").pool.as_deref(), Some("b"));
    }

    #[test]
    fn the_one_to_avoid_only_when_there_is_no_other() {
        let workers = [worker(0, "a", 100), worker(1, "a", 1)];
        let need = Need::Pool("a".into());
        let placed = |workers| place(&need, workers, Some(workers[0].worker_id)).expect("placed").worker_id;
        assert_eq!(placed(&workers), workers[1].worker_id);
        assert_eq!(placed(&workers[..1]), workers[0].worker_id);
    }

    #[test]
    fn the_disabled_gets_nothing() {
        let mut workers = [worker(0, "a", 1)];
        workers[0].disabled = true;
        assert_eq!(place(&Need::Store, &workers, None), None);
    }
}
