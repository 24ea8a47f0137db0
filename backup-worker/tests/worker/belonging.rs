//! Whose job it is: hints that come twice, leases, cancellations, the wish to stop.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::{BackupId, JobId, Result, VolumeId};
use messaging::{Broker, Consumer, Envelope};
use proto::worker::job::Work;
use proto::worker::scheduler_command::Command;
use proto::worker::{self as wire, CancelJob};
use storage::layers::{Fault, Faults, Operation, Rule};

use crate::rig::{Rig, backup, create_backup, done, failed, volume};
use crate::scripted::{LEASE_TTL_SECS, Script};

/// A store whose third object never gets stored: a backup that runs until it is told to stop.
async fn with_endless_backup() -> (Rig, JobId) {
    let stall = Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX);
    let mut rig = Rig::with_store(|store| {
        let faults = Faults::new(store);
        faults.inject(stall);
        Arc::new(faults)
    })
    .await;
    let id = VolumeId::random();
    done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await);
    let job = JobId::random();
    rig.give(job, 2, 1, create_backup(backup(BackupId::random(), id), volume(id, 1), false)).await;
    rig.until("two objects are stored", |script| script.checkpoints.lock().expect("a lock").len() >= 2).await;
    (rig, job)
}

#[tokio::test]
async fn a_worker_says_who_it_is() {
    let rig = Rig::new().await;
    let registration = rig.script.registered.lock().expect("a lock")[0].clone();
    assert_eq!((registration.host.as_str(), registration.slots), ("h1", 4));
    assert_eq!(registration.backup_driver, rig.store.service());
    let pools: Vec<_> = registration.pools.iter().map(|pool| (pool.name.as_str(), pool.total_bytes > 0)).collect();
    assert_eq!(pools, [("other", true), ("p1", true)]);
    rig.until("a heartbeat came", |script| script.last_heartbeat.lock().expect("a lock").is_some()).await;
}

/// Between a worker and its broker: how many workers the scheduler knew when the queue was opened.
struct Opening {
    broker: Arc<dyn Broker>,
    script: Arc<Script>,
    known_before: Arc<OnceLock<usize>>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for Opening {
    async fn declare(&self, queue: &str) -> Result<()> {
        self.broker.declare(queue).await
    }

    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        self.broker.publish(queue, envelope).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let consumer = self.broker.consume(queue, prefetch).await;
        self.known_before.get_or_init(|| self.script.registered.lock().expect("a lock").len());
        consumer
    }

    async fn healthy(&self) -> Result<()> {
        self.broker.healthy().await
    }

    async fn close(&self) {
        self.broker.close().await;
    }
}

/// A hint to a worker that is known but has no queue would be dropped, and its job would wait until the claim is overdue.
#[tokio::test]
async fn a_worker_is_known_when_its_queue_is_there() {
    let known_before = Arc::new(OnceLock::new());
    let seen = Arc::clone(&known_before);
    let between = |broker, script: &Arc<Script>| -> Arc<dyn Broker> {
        Arc::new(Opening { broker, script: Arc::clone(script), known_before: seen })
    };
    let _rig = Rig::with(|store| store, between).await;
    assert_eq!(known_before.get(), Some(&0));
}

#[tokio::test]
async fn a_hint_that_comes_twice_is_one_job_a_stale_one_none() {
    let (mut rig, job) = with_endless_backup().await;
    rig.hint(job, 2).await;
    rig.hint(JobId::random(), 2).await;
    let other = VolumeId::random();
    done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(other, 1)), source: None })).await);
    let heartbeat = |script: &crate::scripted::Script| script.last_heartbeat.lock().expect("a lock").clone();
    rig.until("one job runs", |script| heartbeat(script).is_some_and(|beat| beat.jobs.len() == 1)).await;
    assert!(rig.is_silent());
}

#[tokio::test]
async fn a_user_s_cancel_cleans_up_and_says_so() {
    let (mut rig, job) = with_endless_backup().await;
    let cancel = CancelJob { job_id: job.to_string(), generation: 2, lost: false };
    rig.script.commands.lock().expect("a lock").push(Command::CancelJob(cancel));
    let failure = failed(rig.finish().await.outcome.expect("an outcome"));
    assert_eq!((failure.kind.as_str(), failure.handed_back), ("cancelled", false));
    let place = rig.script.place.lock().expect("a lock").clone().expect("a place");
    assert!(rig.object_names(&place.container).await.is_empty(), "what was stored is gone");
}

#[tokio::test]
async fn a_job_that_is_somebody_else_s_ends_without_a_word() {
    let (mut rig, job) = with_endless_backup().await;
    let cancel = CancelJob { job_id: job.to_string(), generation: 2, lost: true };
    rig.script.commands.lock().expect("a lock").push(Command::CancelJob(cancel));
    rig.until("no job runs", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.jobs.is_empty())
    })
    .await;
    assert!(rig.is_silent());
    let place = rig.script.place.lock().expect("a lock").clone().expect("a place");
    assert!(!rig.object_names(&place.container).await.is_empty(), "the next worker goes on from there");
}

#[tokio::test]
async fn without_answers_the_job_ends_before_its_lease() {
    let (mut rig, job) = with_endless_backup().await;
    rig.until("the job's lease is kept", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.jobs.len() == 1)
    })
    .await;
    rig.script.deaf.store(true, Ordering::SeqCst);
    let deaf_since = Instant::now();
    rig.until("the job is given up", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.jobs.is_empty())
    })
    .await;
    // A heartbeat that was on its way may have been answered; the next one, a second later, tells of the end.
    assert!(deaf_since.elapsed() < Duration::from_secs(u64::from(LEASE_TTL_SECS) + 3));
    assert!(rig.is_silent());
    rig.script.deaf.store(false, Ordering::SeqCst);
    let id = VolumeId::random();
    rig.give(job, 4, 2, Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await;
    done(rig.finish().await.outcome.expect("an outcome"));
}

#[tokio::test]
async fn a_silent_session_is_opened_again_before_the_lease_ends() {
    let (mut rig, _) = with_endless_backup().await;
    rig.until("the job's lease is kept", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.jobs.len() == 1)
    })
    .await;
    rig.script.deaf_session.store(true, Ordering::SeqCst);
    rig.until("another session", |script| !script.deaf_session.load(Ordering::SeqCst)).await;
    let heard_since = Instant::now();
    rig.until("the lease would have ended", |_| {
        heard_since.elapsed() > Duration::from_secs(u64::from(LEASE_TTL_SECS) + 1)
    })
    .await;
    let heartbeat = rig.script.last_heartbeat.lock().expect("a lock").clone();
    assert_eq!(heartbeat.map(|beat| beat.jobs.len()), Some(1), "the job goes on");
    assert!(rig.is_silent());
}

#[tokio::test]
async fn an_unknown_worker_registers_again_as_itself() {
    let rig = Rig::new().await;
    rig.script.forgetful.store(true, Ordering::SeqCst);
    rig.until("registered twice", |script| script.registered.lock().expect("a lock").len() == 2).await;
    let registered = rig.script.registered.lock().expect("a lock").clone();
    assert_eq!(registered[0].worker_id, registered[1].worker_id);
}

#[tokio::test]
async fn a_report_is_sent_until_it_is_taken() {
    let mut rig = Rig::new().await;
    rig.script.busy_finishes.store(3, Ordering::SeqCst);
    let id = VolumeId::random();
    done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await);
    assert_eq!(rig.script.busy_finishes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stopped_job_s_report_is_not_sent_for_ever() {
    let (mut rig, job) = with_endless_backup().await;
    rig.script.busy_finishes.store(u32::MAX, Ordering::SeqCst);
    let cancel = CancelJob { job_id: job.to_string(), generation: 2, lost: false };
    rig.script.commands.lock().expect("a lock").push(Command::CancelJob(cancel));
    rig.until("the job is left to its lease's end", |script| {
        let refused = script.busy_finishes.load(Ordering::SeqCst) < u32::MAX;
        let heartbeat = script.last_heartbeat.lock().expect("a lock").clone();
        refused && heartbeat.is_some_and(|beat| beat.jobs.is_empty())
    })
    .await;
    assert!(rig.is_silent());
}

#[tokio::test]
async fn a_backup_that_was_given_away_unnoticed_stores_no_document() {
    let mut rig = Rig::new().await;
    let id = VolumeId::random();
    done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await);
    rig.script.stolen.store(true, Ordering::SeqCst);
    rig.give(JobId::random(), 2, 1, create_backup(backup(BackupId::random(), id), volume(id, 1), true)).await;
    rig.until("all objects are stored", |script| script.checkpoints.lock().expect("a lock").len() >= 6).await;
    rig.until("no job runs", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.jobs.is_empty())
    })
    .await;
    assert!(rig.is_silent());
    let place = rig.script.place.lock().expect("a lock").clone().expect("a place");
    let names = rig.object_names(&place.container).await;
    assert_eq!(names.len(), 6, "no document: {names:?}");
    let entries = std::fs::read_dir(rig.directory.path().join("pool")).expect("a pool");
    assert_eq!(entries.count(), 2, "the frozen copy is left to the next worker");
}

#[tokio::test]
async fn traces_of_another_attempt_are_no_user_s_cancel() {
    let mut rig = Rig::new().await;
    let id = VolumeId::random();
    done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await);
    let work = create_backup(backup(BackupId::random(), id), volume(id, 1), false);
    done(rig.perform(work.clone()).await);
    let place = rig.script.place.lock().expect("a lock").clone().expect("a place");
    let later = format::names::data_object(&place.prefix, 1, 9);
    let empty_md5 = [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0, 0xb2, 4, 0xe9, 0x80, 9, 0x98, 0xec, 0xf8, 0x42, 0x7e];
    let nothing = storage::Body::Bytes { bytes: bytes::Bytes::new(), md5: empty_md5 };
    rig.store.put(&place.container, &later, nothing).await.expect("stored");
    rig.give(JobId::random(), 4, 2, work).await;
    let failure = failed(rig.finish().await.outcome.expect("an outcome"));
    assert_eq!((failure.kind.as_str(), failure.handed_back), ("unavailable", false));
    assert!(rig.object_names(&place.container).await.contains(&later));
}

#[tokio::test]
async fn a_stopping_worker_hands_its_job_back() {
    let (mut rig, _) = with_endless_backup().await;
    rig.shutdown.cancel();
    rig.until("it says that it drains", |script| {
        script.last_heartbeat.lock().expect("a lock").as_ref().is_some_and(|beat| beat.draining)
    })
    .await;
    let failure = failed(rig.finish().await.outcome.expect("an outcome"));
    assert_eq!((failure.kind.as_str(), failure.handed_back), ("unavailable", true));
    let Rig { worker, .. } = rig;
    worker.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_scheduler_s_drain_lets_the_worker_end() {
    let rig = Rig::new().await;
    rig.script.commands.lock().expect("a lock").push(Command::Drain(wire::Drain {}));
    let Rig { worker, .. } = rig;
    worker.await.expect("no panic").expect("a clean end");
}
