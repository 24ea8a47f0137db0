//! The jobs that this worker holds, and the local clock of their leases.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chassis::metrics::{Counter, Gauge};
use domain::{Error, JobId, Result};
use proto::worker::RunningJob;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lease::Terms;
use crate::link::JobKey;
use crate::meter::Meter;

static LOST: Counter =
    Counter::new("emberkeep_worker_jobs_lost", "Jobs that were given up for want of the scheduler's word.");
static JOBS: Gauge = Gauge::new("emberkeep_worker_jobs", "Jobs that this worker has.");

/// How exactly the end of a lease is met.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// Why a job was told to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// A user wants no more of it.
    Asked,
    /// This worker ends: somebody else shall go on.
    HandedBack,
}

/// One job that this worker holds.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: JobKey,
    /// Cancelled when the work shall stop, for whatever reason.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the job is somebody else's: touch nothing, report nothing.
    pub(crate) lost: CancellationToken,
    why: OnceLock<Stop>,
    claimed: AtomicBool,
    leaving: AtomicBool,
    /// When the last message that the scheduler has answered was sent.
    confirmed: Mutex<Instant>,
    terms: Arc<Terms>,
    done_bytes: AtomicI64,
    total_bytes: AtomicI64,
    meter: Mutex<Meter>,
}

impl Entry {
    fn new(key: JobKey, terms: Arc<Terms>) -> Self {
        let lost = CancellationToken::new();
        Self {
            key,
            stop: lost.child_token(),
            lost,
            why: OnceLock::new(),
            claimed: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            confirmed: Mutex::new(Instant::now()),
            terms,
            done_bytes: AtomicI64::new(0),
            total_bytes: AtomicI64::new(0),
            meter: Mutex::new(Meter::default()),
        }
    }

    /// The first reason stands.
    pub(crate) fn stop(&self, why: Stop) {
        if self.why.set(why).is_ok() {
            self.stop.cancel();
        }
    }

    /// Takes the job away from itself when its lease has not been confirmed in time.
    ///
    /// # Errors
    /// `Cancelled` when the job is somebody else's, or may be: nothing must be changed any more.
    pub(crate) fn check_lease(&self) -> Result<()> {
        if !self.lost.is_cancelled() && lock(&self.confirmed).elapsed() >= self.terms.get().kept {
            tracing::warn!(job_id = %self.key.id, generation = self.key.generation,
                "no word from the scheduler: the job is given up before its lease ends");
            LOST.add(1, &[]);
            self.lost.cancel();
        }
        if self.lost.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// True once: the first time that the job is to be handed back soon.
    pub(crate) fn is_told_to_leave(&self) -> bool {
        !self.leaving.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn why(&self) -> Option<Stop> {
        self.why.get().copied()
    }

    /// The claim that was sent at `sent` stands.
    pub(crate) fn claimed(&self, sent: Instant) {
        self.confirm(sent);
        self.claimed.store(true, Ordering::Release);
    }

    /// The scheduler answered what was sent at `sent`.
    fn confirm(&self, sent: Instant) {
        let mut confirmed = lock(&self.confirmed);
        *confirmed = sent.max(*confirmed);
    }

    pub(crate) fn progress(&self, done_bytes: u64, total_bytes: u64) {
        self.done_bytes.store(i64::try_from(done_bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.total_bytes.store(i64::try_from(total_bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> RunningJob {
        let done_bytes = self.done_bytes.load(Ordering::Relaxed);
        RunningJob {
            job_id: self.key.id.to_string(),
            generation: self.key.generation,
            done_bytes,
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
            bytes_per_second: lock(&self.meter).measure(Instant::now(), done_bytes),
        }
    }
}

/// All jobs of this worker.
#[derive(Debug)]
pub(crate) struct Running {
    terms: Arc<Terms>,
    entries: Mutex<BTreeMap<JobKey, Arc<Entry>>>,
    left: Notify,
}

/// The right to work on a job; dropped, the job is not held any more.
#[derive(Debug)]
pub(crate) struct Admission {
    running: Arc<Running>,
    pub(crate) entry: Arc<Entry>,
}

impl Running {
    pub(crate) fn new(terms: Arc<Terms>) -> Self {
        Self { terms, entries: Mutex::default(), left: Notify::new() }
    }

    /// `None`: this generation is being worked on already, the hint came twice.
    pub(crate) fn admit(self: &Arc<Self>, key: JobKey) -> Option<Admission> {
        let mut entries = lock(&self.entries);
        if entries.contains_key(&key) {
            return None;
        }
        let entry = Arc::new(Entry::new(key, Arc::clone(&self.terms)));
        entries.insert(key, Arc::clone(&entry));
        show(entries.len());
        Some(Admission { running: Arc::clone(self), entry })
    }

    /// What a heartbeat speaks of. A job whose claim is not answered yet is not ours, as far as we know; a lost one that
    /// still winds down must not have its lease renewed.
    pub(crate) fn claimed(&self) -> Vec<Arc<Entry>> {
        let ours = |entry: &&Arc<Entry>| entry.claimed.load(Ordering::Acquire) && !entry.lost.is_cancelled();
        lock(&self.entries).values().filter(ours).cloned().collect()
    }

    pub(crate) fn confirm(&self, keys: &[JobKey], sent: Instant) {
        let entries = lock(&self.entries);
        for entry in keys.iter().filter_map(|key| entries.get(key)) {
            entry.confirm(sent);
        }
    }

    pub(crate) fn get(&self, key: JobKey) -> Option<Arc<Entry>> {
        lock(&self.entries).get(&key).cloned()
    }

    pub(crate) fn stop_all(&self, why: Stop) {
        for entry in lock(&self.entries).values() {
            entry.stop(why);
        }
    }

    /// Takes jobs away from themselves whose lease has not been confirmed in time. Never returns.
    pub(crate) async fn watch_leases(&self) {
        let mut tick = tokio::time::interval(CLOCK_TICK);
        loop {
            tick.tick().await;
            for entry in lock(&self.entries).values() {
                // Whoever works on a lost job sees it.
                entry.check_lease().ok();
            }
        }
    }

    fn has_older(&self, key: JobKey) -> bool {
        let first = JobKey { id: key.id, generation: i64::MIN };
        lock(&self.entries).range(first..key).next().is_some()
    }
}

impl Admission {
    /// Waits until no earlier generation of the same job is winding down in this process.
    pub(crate) async fn alone(&self) {
        loop {
            let left = self.running.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if !self.running.has_older(self.entry.key) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut entries = lock(&self.running.entries);
        entries.remove(&self.entry.key);
        show(entries.len());
        drop(entries);
        self.running.left.notify_waiters();
    }
}

fn show(jobs: usize) {
    JOBS.set(i64::try_from(jobs).unwrap_or(i64::MAX), &[]);
}

/// Shows what has not happened yet.
pub(crate) fn declare() {
    LOST.add(0, &[]);
    show(0);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parses the key of a command; a malformed one is about no job of ours.
pub(crate) fn key_of(job_id: &str, generation: i64) -> Option<JobKey> {
    let id: JobId = job_id.parse().ok()?;
    Some(JobKey { id, generation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Lease;

    fn key(generation: i64) -> JobKey {
        JobKey { id: "5ab9ae63-1d4e-4f5b-8a63-7b3b3a0b6f10".parse().expect("an id"), generation }
    }

    fn running(kept: Duration) -> Arc<Running> {
        let lease = Lease { kept, heartbeat_interval: Duration::from_millis(20) };
        Arc::new(Running::new(Arc::new(Terms::new(lease))))
    }

    /// As a process that was stopped and comes to its clock last.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_changed_after_the_lease_s_end_even_before_the_clock_says_so() {
        let running = running(Duration::from_secs(10));
        let admission = running.admit(key(2)).expect("admitted");
        tokio::time::advance(Duration::from_secs(9)).await;
        admission.entry.check_lease().expect("it is ours");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!admission.entry.lost.is_cancelled());
        assert_eq!(admission.entry.check_lease().unwrap_err().kind(), domain::Kind::Cancelled);
        assert!(admission.entry.stop.is_cancelled(), "the work stops");
    }

    #[tokio::test]
    async fn a_generation_is_admitted_once_and_waits_for_its_elder() {
        let running = running(Duration::from_secs(60));
        let elder = running.admit(key(2)).expect("admitted");
        assert!(running.admit(key(2)).is_none(), "the hint came twice");
        let younger = running.admit(key(4)).expect("another generation");
        let mut waiting = std::pin::pin!(younger.alone());
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(elder);
        waiting.await;
        assert!(running.get(key(2)).is_none() && running.get(key(4)).is_some());
    }

    #[tokio::test]
    async fn an_unconfirmed_lease_ends_a_confirmed_one_goes_on() {
        let running = running(Duration::from_millis(100));
        let (silent, heard) = (running.admit(key(2)).expect("one"), running.admit(key(4)).expect("another"));
        running.confirm(&[key(4)], Instant::now() + Duration::from_secs(60));
        tokio::select! {
            () = running.watch_leases() => {}
            () = silent.entry.lost.cancelled() => {}
        }
        assert!(silent.entry.stop.is_cancelled(), "what is lost stops");
        assert!(!heard.entry.stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_stop_can_still_become_a_loss() {
        let running = running(Duration::from_secs(60));
        let admission = running.admit(key(2)).expect("admitted");
        admission.entry.stop(Stop::Asked);
        admission.entry.stop(Stop::HandedBack);
        assert_eq!(admission.entry.why(), Some(Stop::Asked), "the first reason stands");
        assert!(!admission.entry.lost.is_cancelled());
        admission.entry.claimed(Instant::now());
        assert_eq!(running.claimed().len(), 1, "its lease is kept while it cleans up");
        admission.entry.lost.cancel();
        assert!(admission.entry.stop.is_cancelled());
        assert!(running.claimed().is_empty(), "what is lost is not renewed");
    }
}
