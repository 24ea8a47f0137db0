//! Lost workers, second generations, reports of the dead.

use std::time::Duration;

use domain::Kind;
use domain::backup::BackupStatus;
use domain::ids::WorkerId;
use domain::job::{JobState, Subject};
use domain::volume::{Volume, VolumeStatus};
use proto::worker::finish_request::Outcome;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::{Checkpoint, Failure, Heartbeat, ListCheckpointsRequest, StoredObject, WorkerEvent};

use crate::rig::{Ground, ScriptedWorker};
use crate::rows;

fn object(number: u64) -> StoredObject {
    StoredObject {
        name: format!("p-{number:05}"),
        offset: number * 1024,
        length: 1024,
        md5: vec![1; 16],
        compression: "zstd".to_owned(),
        sha256: vec![2; 32],
    }
}

fn checkpoint(job: &proto::worker::Job, number: u64) -> WorkerEvent {
    let object = Some(object(number));
    let checkpoint = Checkpoint { job_id: job.id.clone(), generation: job.generation, object };
    WorkerEvent { event: Some(Event::Checkpoint(checkpoint)) }
}

async fn checkpoints(worker: &mut ScriptedWorker, job: &proto::worker::Job) -> Vec<StoredObject> {
    let request =
        ListCheckpointsRequest { worker_id: worker.id.to_string(), job_id: job.id.clone(), generation: job.generation };
    let mut stream = worker.client.list_checkpoints(request).await.expect("a list").into_inner();
    let mut objects = Vec::new();
    while let Some(object) = stream.message().await.expect("an object") {
        objects.push(object);
    }
    objects
}

pub(crate) async fn the_next_worker_goes_on_and_the_lost_one_is_refused(ground: Ground) {
    let rig = ground.start();
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut lost = rig.worker().await;
    let first = lost.take().await;
    let mut session = lost.session().await;
    session.send(lost.heartbeat(&[&first])).await;
    assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
    for number in [1, 2, 2] {
        session.send(checkpoint(&first, number)).await;
    }
    session.send(lost.heartbeat(&[&first])).await;
    assert!(matches!(session.command().await, Command::HeartbeatAck(_)));

    // Silence: the lease ends, and so does the worker's standing as a candidate.
    rig.wait_for_state(first.id.parse().expect("an id"), JobState::Queued).await;
    let mut next = rig.worker().await;
    let second = next.take().await;
    assert_eq!((second.id.as_str(), second.attempt), (first.id.as_str(), 2));
    assert!(second.generation > first.generation);
    assert_eq!(checkpoints(&mut next, &second).await, [object(1), object(2)]);

    session.send(checkpoint(&first, 3)).await;
    assert!(matches!(session.command().await, Command::CancelJob(cancel) if cancel.lost));
    assert!(!lost.done(&first).await, "a dead generation ends nothing");
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Creating);
    assert_eq!(checkpoints(&mut next, &second).await.len(), 2, "and notes nothing");

    let done = proto::worker::Done { object_count: 3, ..Default::default() };
    assert!(next.finish(&second, Outcome::Done(done)).await);
    let row = rig.backup(backup.id).await;
    assert_eq!((row.status, row.object_count), (BackupStatus::Available, 3));
}

pub(crate) async fn heartbeats_keep_a_lease_and_a_dead_generation_hears_so(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let mut session = worker.session().await;
    // Longer than the lease of two seconds.
    for _ in 0..6 {
        session.send(worker.heartbeat(&[&job])).await;
        assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let row = rig.job(id).await;
    assert_eq!((row.state, row.attempts, row.progress.total_bytes), (JobState::Running, 1, 2));
    assert!(worker.done(&job).await);
    session.send(worker.heartbeat(&[&job])).await;
    assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
    assert!(matches!(session.command().await, Command::CancelJob(cancel) if cancel.lost));
}

pub(crate) async fn an_assignment_that_nobody_claims_is_placed_again(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let ignored = worker.hint().await;
    // It lives, it only lets the hint lie.
    let mut session = worker.session().await;
    let alive = worker.heartbeat(&[]);
    let again = tokio::select! {
        hint = worker.hint() => hint,
        () = async {
            loop {
                session.send(alive.clone()).await;
                session.command().await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        } => unreachable!("the loop has no end"),
    };
    assert_eq!((again.job_id.as_str(), again.generation), (ignored.job_id.as_str(), ignored.generation + 2));
    assert!(worker.claim(&ignored).await.is_none());
    assert_eq!(worker.claim(&again).await.expect("the job stands").attempt, 1, "nobody had tried it");
}

/// The one that lets its hints lie is alive and idle, and still the job and the new volume's place go elsewhere.
pub(crate) async fn a_worker_that_never_comes_does_not_keep_the_job(ground: Ground) {
    let rig = ground.start();
    let draft = Volume { pool: None, host: None, ..rows::volume(VolumeStatus::Creating) };
    let volume = rows::put_volume(&rig.database, draft).await;
    let mut deaf = rig.worker_in("p1").await;
    rig.enqueue(Subject::VolumeCreate { volume_id: volume.id }).await;
    deaf.hint().await;
    assert_eq!(rig.volume(volume.id).await.pool.as_deref(), Some("p1"));
    let session = deaf.session().await;
    let alive = deaf.heartbeat(&[]);
    let mut other = rig.worker_in("p2").await;
    let other_session = other.session().await;
    let other_alive = other.heartbeat(&[]);
    let taken = tokio::select! {
        job = other.take() => job,
        () = async {
            loop {
                session.send(alive.clone()).await;
                other_session.send(other_alive.clone()).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        } => unreachable!("the loop has no end"),
    };
    assert_eq!(taken.attempt, 1);
    assert_eq!(rig.volume(volume.id).await.pool.as_deref(), Some("p2"));
}

pub(crate) async fn an_unknown_worker_is_asked_to_register(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let mut session = worker.session().await;
    let stranger = Heartbeat { worker_id: WorkerId::random().to_string(), ..Heartbeat::default() };
    session.send(WorkerEvent { event: Some(Event::Heartbeat(stranger)) }).await;
    assert!(matches!(session.command().await, Command::Unknown(_)));
}

pub(crate) async fn a_passing_failure_is_tried_again_a_lasting_one_is_told(ground: Ground) {
    let rig = ground.start();
    let (volume, backup, subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let first = worker.take().await;
    assert!(worker.fail(&first, Kind::Unavailable, "the store is away").await);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Creating);
    assert!(!worker.fail(&first, Kind::Unavailable, "the store is away").await, "said twice, done once");
    let second = worker.take().await;
    assert_eq!(second.attempt, 2);
    assert!(worker.fail(&second, Kind::Damaged, "the parent is damaged").await);
    assert!(worker.fail(&second, Kind::Damaged, "the parent is damaged").await, "this generation ended the job");

    let row = rig.backup(backup.id).await;
    assert_eq!((row.status, row.fail_reason.as_deref()), (BackupStatus::Error, Some("the parent is damaged")));
    let row = rig.volume(volume.id).await;
    let statuses = (row.status, row.previous_status);
    assert_eq!(statuses, (VolumeStatus::Available, Some(VolumeStatus::ErrorBackingUp)));
    assert_eq!(rig.job(id).await.state, JobState::Failed);
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_BACKUP_013_020"], "told once");
    assert_eq!(rows::usage(&rig.database).await, [1, 2, 0, 1, 2], "a failed backup counts until it is deleted");
}

pub(crate) async fn a_job_handed_back_is_placed_again_at_once(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    for attempt in 1..=domain::job::FAILURES_MAX + 2 {
        let job = worker.take().await;
        assert_eq!(job.attempt, attempt);
        let failure = Failure { handed_back: true, ..crate::rig::failure(Kind::Unavailable, "stopping") };
        assert!(worker.finish(&job, Outcome::Failure(failure)).await);
    }
    let job = worker.take().await;
    assert!(worker.fail(&job, Kind::Unavailable, "the store is away").await);
    let row = rig.job(id).await;
    assert_eq!((row.state, row.failures), (JobState::Queued, 1), "the first failure of all");
}

pub(crate) async fn a_running_job_that_is_cancelled_is_told_between_heartbeats(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let mut session = worker.session().await;
    session.send(worker.heartbeat(&[&job])).await;
    assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
    let mut tx = rig.database.begin("cancel").await.expect("a transaction");
    assert!(db::jobs::request_cancel(&mut tx, id, domain::Timestamp::now()).await.expect("asked"));
    tx.commit().await.expect("committed");
    // No further heartbeat is sent.
    let Command::CancelJob(cancel) = session.command().await else { panic!("another command") };
    assert_eq!((cancel.job_id, cancel.generation, cancel.lost), (job.id, job.generation, false));
}

pub(crate) async fn a_job_cancelled_in_the_queue_never_runs(ground: Ground) {
    let rig = ground.start();
    let (volume, backup, subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut tx = rig.database.begin("cancel").await.expect("a transaction");
    assert!(db::jobs::request_cancel(&mut tx, id, domain::Timestamp::now()).await.expect("asked"));
    tx.commit().await.expect("committed");
    rig.wait_for_state(id, JobState::Cancelled).await;
    let row = rig.backup(backup.id).await;
    assert_eq!(row.status, BackupStatus::Error);
    assert!(row.fail_reason.is_some());
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::Available);
}
