//! Who gets which job, and what a claim answers.

use std::time::Duration;

use bytes::Bytes;
use db::backups::Place;
use domain::Timestamp;
use domain::backup::BackupStatus;
use domain::job::{JobState, Subject};
use domain::snapshot::SnapshotStatus;
use domain::volume::{Volume, VolumeStatus};
use messaging::{Envelope, topology};
use proto::worker::job::Work;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::{BeginBackupRequest, create_volume};

use crate::rig::Ground;
use crate::rows;

pub(crate) async fn a_job_waits_for_a_worker_and_comes_with_all_it_needs(ground: Ground) {
    let rig = ground.start();
    let (volume, backup, subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let hint = worker.hint().await;
    assert_eq!((hint.job_id.as_str(), hint.generation), (id.to_string().as_str(), 2));
    let job = worker.claim(&hint).await.expect("the job stands");
    let Some(Work::CreateBackup(work)) = &job.work else { panic!("another job: {job:?}") };
    let spec = work.backup.as_ref().expect("a backup");
    assert_eq!((spec.id.clone(), spec.name.as_deref()), (backup.id.to_string(), Some("nightly")));
    assert_eq!(work.volume.as_ref().expect("a volume").pool, rows::POOL);
    assert!(work.volume_meta.contains(&volume.id.to_string()) && !work.freeze);
    assert_eq!(job.attempt, 1);
    let again = worker.claim(&hint).await.expect("the same worker, the same generation");
    assert_eq!(again, job, "a repeated claim is the same job and no new attempt");
}

pub(crate) async fn others_and_other_generations_are_stale(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let mut hint = worker.hint().await;
    let mut stranger = rig.worker().await;
    assert!(stranger.claim(&hint).await.is_none(), "it was assigned to another worker");
    hint.generation += 1;
    assert!(worker.claim(&hint).await.is_none(), "a generation that does not exist");
    hint.generation -= 1;
    assert!(worker.claim(&hint).await.is_some());
}

pub(crate) async fn a_new_volume_gets_its_place_with_the_assignment(ground: Ground) {
    let rig = ground.start();
    let draft = domain::volume::Volume { pool: None, host: None, ..rows::volume(VolumeStatus::Creating) };
    let volume = rows::put_volume(&rig.database, draft).await;
    rig.enqueue(Subject::VolumeCreate { volume_id: volume.id }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let Some(Work::CreateVolume(work)) = &job.work else { panic!("another job: {job:?}") };
    assert!(work.source.is_none() && work.volume.as_ref().is_some_and(|volume| volume.pool == "p1"));
    assert_eq!(rig.volume(volume.id).await.host.as_deref(), Some("h1@p1#p1"));
    assert!(worker.done(&job).await);
    let row = rig.volume(volume.id).await;
    assert_eq!(row.status, VolumeStatus::Available);
    assert!(row.launched_at.is_some());
}

pub(crate) async fn a_copy_is_made_where_its_source_lies(ground: Ground) {
    let rig = ground.start();
    let source = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let draft = domain::volume::Volume {
        pool: None,
        source_volume_id: Some(source.id),
        ..rows::volume(VolumeStatus::Creating)
    };
    let copy = rows::put_volume(&rig.database, draft).await;
    rig.enqueue(Subject::VolumeCreate { volume_id: copy.id }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let Some(Work::CreateVolume(work)) = &job.work else { panic!("another job: {job:?}") };
    let Some(create_volume::Source::SourceVolume(from)) = &work.source else { panic!("no source: {work:?}") };
    assert_eq!(from.id, source.id.to_string());
}

pub(crate) async fn what_can_never_be_placed_fails_without_a_worker(ground: Ground) {
    let rig = ground.start();
    let draft = domain::volume::Volume { pool: None, ..rows::volume(VolumeStatus::Extending) };
    let volume = rows::put_volume(&rig.database, draft).await;
    let mut tx = rig.database.begin("growth").await.expect("a transaction");
    rows::charge(&mut tx, &rows::growth(&volume)).await;
    tx.commit().await.expect("committed");
    let was = VolumeStatus::Available;
    let id = rig.enqueue(rows::extend(&volume, was)).await;
    let job = rig.wait_for_state(id, JobState::Failed).await;
    assert!(job.error.is_some_and(|reason| reason.contains("never placed")));
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::ErrorExtending);
    assert_eq!(rows::usage(&rig.database).await, [1, 2, 0, 0, 0], "the growth was given back");
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_007_003"]);
}

pub(crate) async fn a_volume_that_no_pool_could_hold_fails_once_a_pool_is_known(ground: Ground) {
    let rig = ground.start();
    // Nobody could be charged for it: the limits are smaller than any pool it would not fit in.
    let volume = rows::volume_of_default_type(&rig.database).await;
    let huge = domain::volume::Volume { pool: None, size_gb: 90_000, status: VolumeStatus::Creating, ..volume };
    let mut tx = rig.database.begin("volume").await.expect("a transaction");
    db::volumes::insert(&mut tx, &huge).await.expect("inserted");
    tx.commit().await.expect("committed");
    let usage = rows::usage(&rig.database).await;
    let id = rig.enqueue(Subject::VolumeCreate { volume_id: huge.id }).await;
    assert_eq!(rig.job(id).await.state, JobState::Queued);
    let _worker = rig.worker().await;
    let job = rig.wait_for_state(id, JobState::Failed).await;
    let reason = job.error.unwrap_or_default();
    assert!(reason.contains("90000 GiB") && reason.contains("1024 GiB"), "{reason}");
    assert_eq!(rig.volume(huge.id).await.status, VolumeStatus::Error);
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_001_003"]);
    assert_eq!(rows::usage(&rig.database).await, usage, "charged until it is deleted");
}

pub(crate) async fn a_backup_in_the_wrong_status_is_refused_at_the_claim(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::BackingUp)).await;
    let backup = rows::put_backup(&rig.database, rows::backup(&volume, BackupStatus::Error)).await;
    let id = rig.enqueue(rows::create_backup(&backup)).await;
    let mut worker = rig.worker().await;
    let hint = worker.hint().await;
    assert!(worker.claim(&hint).await.is_none());
    assert_eq!(rig.job(id).await.state, JobState::Failed);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Error, "left as it was");
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_BACKUP_013_017"]);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::Available, "no volume stays backing-up");
}

pub(crate) async fn the_first_place_of_a_backup_stands(ground: Ground) {
    let rig = ground.start();
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let wish = BeginBackupRequest {
        worker_id: worker.id.to_string(),
        job_id: job.id.clone(),
        generation: job.generation,
        container: "c1".to_owned(),
        prefix: "first".to_owned(),
        service: "driver".to_owned(),
        availability_zone: "nova".to_owned(),
        host: "h1".to_owned(),
    };
    let first = worker.client.begin_backup(wish.clone()).await.expect("begun").into_inner();
    let later = BeginBackupRequest { container: "c2".to_owned(), prefix: "second".to_owned(), ..wish.clone() };
    assert_eq!(worker.client.begin_backup(later).await.expect("begun").into_inner(), first);
    assert_eq!((first.container.as_str(), first.prefix.as_str()), ("c1", "first"));
    assert_eq!(rig.backup(backup.id).await.service_metadata.as_deref(), Some("first"));
    let stranger = BeginBackupRequest { generation: job.generation + 1, ..wish };
    assert!(worker.client.begin_backup(stranger).await.is_err(), "a dead generation begins nothing");
}

pub(crate) async fn a_deletion_waits_and_cancels_the_backup_in_its_way(ground: Ground) {
    let rig = ground.start();
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let creating = worker.take().await;
    let mut tx = rig.database.begin("force delete").await.expect("a transaction");
    let place = Place {
        container: "c".to_owned(),
        prefix: "p".to_owned(),
        service: "driver".to_owned(),
        availability_zone: "nova".to_owned(),
        host: "h1".to_owned(),
    };
    db::backups::begin(&mut tx, backup.id, &place, Timestamp::now()).await.expect("begun");
    db::backups::set_status(&mut tx, backup.id, BackupStatus::Deleting, Timestamp::now()).await.expect("set");
    tx.commit().await.expect("committed");
    let deletion = rig.enqueue(Subject::BackupDelete { backup_id: backup.id }).await;
    // The running job is asked to stop, and only when it has is the deletion given away.
    let mut session = worker.session().await;
    let cancelled = loop {
        session.send(worker.heartbeat(&[&creating])).await;
        if let Command::CancelJob(cancel) = session.command().await {
            break cancel;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(!cancelled.lost, "asked, not taken away");
    assert_eq!(rig.job(deletion).await.state, JobState::Queued);
    assert!(worker.fail(&creating, domain::Kind::Cancelled, "cancelled").await);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Deleting, "not resurrected");
    let deleting = worker.take().await;
    assert!(matches!(&deleting.work, Some(Work::DeleteBackup(work)) if work.backup.is_some()));
    assert!(worker.done(&deleting).await);
    assert!(rig.backup_is_gone(backup.id).await);
    assert_eq!(rows::usage(&rig.database).await, [1, 2, 0, 0, 0]);
}

pub(crate) async fn what_overwrites_waits_for_what_was_asked_before(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let session = worker.session().await;
    let source = rows::put_volume(&rig.database, rows::volume(VolumeStatus::RestoringBackup)).await;
    let snapshot = rows::put_snapshot(&rig.database, rows::snapshot(&source, SnapshotStatus::Creating)).await;
    let draft = Volume { source_volume_id: Some(source.id), ..rows::volume(VolumeStatus::Creating) };
    let copy = rows::put_volume(&rig.database, draft).await;
    let backup = rows::put_backup(&rig.database, rows::backup(&source, BackupStatus::Restoring)).await;
    rig.enqueue(Subject::SnapshotCreate { snapshot_id: snapshot.id, volume_id: source.id }).await;
    let first = worker.take().await;
    rig.enqueue(Subject::VolumeCreate { volume_id: copy.id }).await;
    let second = worker.take().await;
    let restore = Subject::BackupRestore { backup_id: backup.id, volume_id: source.id, new_volume: false };
    let restore = rig.enqueue(restore).await;
    let mut under_way = vec![first, second];
    while let Some(job) = under_way.pop() {
        // Some rounds pass; nothing else can be waited for.
        session.send(worker.heartbeat(&under_way.iter().chain([&job]).collect::<Vec<_>>())).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(rig.job(restore).await.generation, 1, "not while {job:?} is under way");
        assert!(worker.done(&job).await);
    }
    assert_eq!(worker.take().await.id, restore.to_string());
}

pub(crate) async fn a_damaged_row_does_not_stop_the_others(ground: Ground) {
    let rig = ground.start();
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let damaged = rig.enqueue(subject).await;
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let sound = rig.enqueue(subject).await;
    let mut tx = rig.database.begin("damage").await.expect("a transaction");
    let text = "UPDATE jobs SET kind = 'melted' WHERE id = $1";
    db::sql(text).bind(damaged).execute(&mut tx).await.expect("damaged");
    tx.commit().await.expect("committed");
    // Their hints find nobody; the round places what it can read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut worker = rig.worker().await;
    assert_eq!(worker.take().await.id, sound.to_string());
}

pub(crate) async fn a_draining_worker_gets_no_new_job(ground: Ground) {
    let rig = ground.start();
    let mut leaving = rig.worker().await;
    let mut session = leaving.session().await;
    let mut goodbye = leaving.heartbeat(&[]);
    if let Some(Event::Heartbeat(heartbeat)) = &mut goodbye.event {
        heartbeat.draining = true;
    }
    session.send(goodbye).await;
    assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
    let (.., subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut staying = rig.worker().await;
    let job = staying.take().await;
    assert_eq!((job.id, job.generation), (id.to_string(), 2), "it was never assigned to the other");
}

pub(crate) async fn a_hint_that_makes_no_sense_is_dead(ground: Ground) {
    let rig = ground.start();
    rig.broker.declare(topology::JOBS).await.expect("declared");
    let envelope = Envelope { message_id: "m".to_owned(), body: Bytes::from_static(b"{}"), traceparent: None };
    rig.broker.publish(topology::JOBS, envelope).await.expect("published");
    let kept = async || db::dead_letters::newest(&mut rig.read().await, 10).await.expect("letters");
    let arrived = async {
        while kept().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived).await.expect("in time");
    let letters = kept().await;
    assert_eq!((letters[0].id.as_str(), letters[0].body.as_str()), ("m", "{}"));
    let mut tx = rig.database.begin("replay").await.expect("a transaction");
    let now = Timestamp::now().plus_secs(1);
    assert!(db::dead_letters::replay(&mut tx, topology::JOBS, "m", now).await.expect("replayed"));
    assert!(!db::dead_letters::delete(&mut tx, "m").await.expect("asked"), "it went to the outbox");
    assert_eq!(db::outbox::take(&mut tx, now, now, 10).await.expect("taken")[0].body, "{}");
}

/// An operator's word about one service leaves the worker's other work alone.
pub(crate) async fn disabled_services_get_nothing_new(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let backend = format!("h1@{}", rows::POOL);
    let switch = async |host: &str, binary: &str, disabled: bool| {
        let mut tx = rig.database.begin("switch").await.expect("a transaction");
        let found = db::services::set_disabled(&mut tx, host, binary, disabled, None, Timestamp::now()).await;
        assert!(found.expect("asked"), "{binary} on {host}");
        tx.commit().await.expect("committed");
    };
    switch("h1", "cinder-backup", true).await;
    switch(&backend, "cinder-volume", true).await;
    let (.., backup) = rows::backup_under_way(&rig.database).await;
    let backup = rig.enqueue(backup).await;
    let draft = Volume { pool: None, host: None, ..rows::volume(VolumeStatus::Creating) };
    let new = rows::put_volume(&rig.database, draft).await;
    let new = rig.enqueue(Subject::VolumeCreate { volume_id: new.id }).await;
    let old = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Deleting)).await;
    let old = rig.enqueue(Subject::VolumeDelete { volume_id: old.id, keep_data: false }).await;
    let job = worker.take().await;
    assert_eq!(job.id, old.to_string(), "what lies there can still go");
    assert!(worker.done(&job).await);
    for id in [backup, new] {
        assert_eq!(rig.job(id).await.state, JobState::Queued);
    }
    switch("h1", "cinder-backup", false).await;
    assert_eq!(worker.take().await.id, backup.to_string());
    assert_eq!(rig.job(new).await.state, JobState::Queued);
    switch(&backend, "cinder-volume", false).await;
    assert_eq!(worker.take().await.id, new.to_string());
}
