//! Until when a worker may touch what its job is about, as the schedulers have promised it.

use std::collections::BTreeMap;

use domain::Timestamp;
use proto::worker as wire;
use proto::worker::job::Work;

use crate::hub::Life;

/// A job and its generation.
pub(crate) type JobKey = (String, i64);

#[derive(Default)]
pub(crate) struct Leases {
    /// The job that a worker has about a thing: a volume's or snapshot's id, or a backup's prefix.
    about: BTreeMap<(Life, String), JobKey>,
    until: BTreeMap<(Life, JobKey), Timestamp>,
    answered: BTreeMap<(Life, JobKey), ()>,
    /// Who has a job, of which generation, and until when.
    holders: BTreeMap<String, (Life, i64, Timestamp)>,
    /// The latest generation of a job that somebody claimed.
    latest: BTreeMap<String, i64>,
    works: BTreeMap<JobKey, Work>,
}

impl Leases {
    /// An error when somebody else has it still.
    pub(crate) fn claimed(
        &mut self,
        life: Life,
        spec: &wire::Job,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), String> {
        let key = (spec.id.clone(), spec.generation);
        let before = self.holders.insert(spec.id.clone(), (life, spec.generation, until));
        let latest = self.latest.entry(spec.id.clone()).or_default();
        *latest = spec.generation.max(*latest);
        if let Some(work) = &spec.work {
            self.works.insert(key.clone(), work.clone());
        }
        for thing in things(spec) {
            self.about.insert((life, thing), key.clone());
        }
        self.until.insert((life, key), until);
        match before {
            Some((other, generation, lease)) if (other, generation) != (life, spec.generation) && lease > now => {
                let (new, job) = (spec.generation, &spec.id);
                Err(format!("job {job} of generation {generation} has a lease, and generation {new} was claimed"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn begun(&mut self, life: Life, key: JobKey, prefix: &str) {
        self.about.insert((life, prefix.to_owned()), key);
    }

    /// An error when a later generation has been claimed.
    pub(crate) fn renewed(&mut self, life: Life, key: JobKey, until: Timestamp) -> Result<(), String> {
        if self.is_dead(&key) {
            return Err(format!("the lease of job {} was renewed for its dead generation {}", key.0, key.1));
        }
        if let Some(holder) = self.holders.get_mut(&key.0)
            && (holder.0, holder.1) == (life, key.1)
        {
            holder.2 = until;
        }
        self.until.insert((life, key), until);
        Ok(())
    }

    /// Whether somebody has claimed a later generation.
    pub(crate) fn is_dead(&self, key: &JobKey) -> bool {
        self.latest.get(&key.0).is_some_and(|latest| *latest > key.1)
    }

    /// Its end was reported, whatever came of it: it may be given to somebody else.
    pub(crate) fn reported(&mut self, key: &JobKey) {
        self.holders.remove(&key.0);
    }

    pub(crate) fn work(&self, key: &JobKey) -> Option<&Work> {
        self.works.get(key)
    }

    /// The claim was answered, whatever the answer was.
    pub(crate) fn answered(&mut self, life: Life, key: JobKey) {
        self.answered.insert((life, key), ());
    }

    pub(crate) fn is_answered(&self, life: Life, key: &JobKey) -> bool {
        self.answered.contains_key(&(life, key.clone()))
    }

    /// The job that touches the thing although its lease has ended.
    pub(crate) fn overdue(&self, life: Life, thing: &str, now: Timestamp) -> Option<JobKey> {
        let ((owner, name), key) = self.about.range(..=(life, thing.to_owned())).next_back()?;
        if *owner != life || !thing.starts_with(name.as_str()) {
            return None;
        }
        let until = self.until.get(&(life, key.clone()))?;
        (*until < now).then(|| key.clone())
    }

    pub(crate) fn forget(&mut self, life: Life) {
        self.about.retain(|(owner, _), _| *owner != life);
        self.until.retain(|(owner, _), _| *owner != life);
        self.answered.retain(|(owner, _), ()| *owner != life);
    }
}

fn things(spec: &wire::Job) -> Vec<String> {
    let volume = |volume: &Option<wire::Volume>| volume.as_ref().map(|volume| volume.id.clone());
    let snapshot = |snapshot: &Option<wire::Snapshot>| snapshot.as_ref().map(|snapshot| snapshot.id.clone());
    let things = match &spec.work {
        Some(Work::CreateVolume(work)) => vec![volume(&work.volume)],
        Some(Work::DeleteVolume(work)) => {
            let snapshots = work.snapshots.iter().map(|snapshot| Some(snapshot.id.clone()));
            snapshots.chain([volume(&work.volume)]).collect()
        }
        Some(Work::ExtendVolume(work)) => vec![volume(&work.volume)],
        Some(Work::ManageVolume(work)) => vec![volume(&work.volume)],
        Some(Work::RevertVolume(work)) => vec![volume(&work.volume)],
        Some(Work::MoveVolume(work)) => vec![volume(&work.to)],
        Some(Work::RestoreBackup(work)) => vec![volume(&work.volume)],
        Some(Work::CreateSnapshot(work)) => vec![snapshot(&work.snapshot)],
        Some(Work::DeleteSnapshot(work)) => vec![snapshot(&work.snapshot)],
        Some(Work::ManageSnapshot(work)) => vec![snapshot(&work.snapshot)],
        Some(Work::DeleteBackup(work)) => vec![work.backup.as_ref().and_then(|backup| backup.prefix.clone())],
        Some(Work::SweepBackup(work)) => vec![work.backup.as_ref().and_then(|backup| backup.prefix.clone())],
        _ => Vec::new(),
    };
    things.into_iter().flatten().collect()
}
