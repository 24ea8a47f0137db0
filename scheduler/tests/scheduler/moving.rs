//! Types say where volumes lie, from the first and when they change.

use std::collections::BTreeMap;

use db::types::{self, VolumeType, extra_specs};
use domain::job::{JobState, Subject};
use domain::volume::{Volume, VolumeStatus};
use domain::{Kind, Timestamp, VolumeId};
use proto::worker::finish_request::Outcome;
use proto::worker::job::Work;
use proto::worker::{Done, MoveVolume};

use crate::rig::{Ground, Rig, ScriptedWorker};
use crate::rows;

/// A type whose volumes lie in this backend.
async fn kind_in(rig: &Rig, backend: &str) -> String {
    let kind = VolumeType {
        id: VolumeId::random().to_string(),
        name: format!("in {backend}"),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: Timestamp::now(),
        updated_at: None,
    };
    let specs = [("volume_backend_name", backend), ("multiattach", "<is> True"), ("other:scope", "ignored")];
    let specs = BTreeMap::from(specs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let mut tx = rig.database.begin("test type").await.expect("a transaction");
    types::insert(&mut tx, &kind).await.expect("inserted");
    extra_specs::merge(&mut tx, &kind.id, &specs).await.expect("specs");
    tx.commit().await.expect("committed");
    kind.id
}

/// A new volume of the type, of which nothing is charged.
async fn new_volume(rig: &Rig, type_id: &str) -> Volume {
    let volume_type_id = type_id.to_owned();
    let volume = Volume { volume_type_id, pool: None, host: None, ..rows::volume(VolumeStatus::Creating) };
    let mut tx = rig.database.begin("test volume").await.expect("a transaction");
    db::volumes::insert(&mut tx, &volume).await.expect("inserted");
    tx.commit().await.expect("committed");
    volume
}

fn retype(volume: &Volume, type_id: &str, may_move: bool) -> Subject {
    Subject::VolumeMove {
        volume_id: volume.id,
        bytes_id: VolumeId::random(),
        to_type: Some(type_id.to_owned()),
        to_pool: None,
        may_move,
        was: VolumeStatus::Available,
    }
}

async fn take_move(worker: &mut ScriptedWorker) -> (proto::worker::Job, MoveVolume) {
    let job = worker.take().await;
    let Some(Work::MoveVolume(work)) = job.work.clone() else { panic!("another job: {job:?}") };
    (job, work)
}

/// The next job throws these bytes away.
async fn expect_discard(worker: &mut ScriptedWorker, bytes_id: VolumeId, pool: &str) {
    let job = worker.take().await;
    let Some(Work::DeleteVolume(work)) = &job.work else { panic!("another job: {job:?}") };
    let volume = work.volume.as_ref().expect("a volume");
    assert_eq!((volume.id.as_str(), volume.pool.as_str()), (bytes_id.to_string().as_str(), pool));
    assert!(worker.finish(&job, Outcome::Done(Done::default())).await);
}

fn bytes_id(subject: &Subject) -> VolumeId {
    let Subject::VolumeMove { bytes_id, .. } = subject else { panic!("another subject: {subject:?}") };
    *bytes_id
}

pub(crate) async fn a_type_says_where_its_volumes_lie(ground: Ground) {
    let rig = ground.start();
    let mut first = rig.worker_in("p1").await;
    let mut second = rig.worker_in("p2").await;
    for (backend, pool, worker) in [("p2", "p2", &mut second), ("<or> p0 <or> p1", "p1", &mut first)] {
        let type_id = kind_in(&rig, backend).await;
        let volume = new_volume(&rig, &type_id).await;
        rig.enqueue(Subject::VolumeCreate { volume_id: volume.id }).await;
        let job = worker.take().await;
        assert_eq!(rig.volume(volume.id).await.host, Some(format!("h1@{pool}#{pool}")));
        assert!(worker.finish(&job, Outcome::Done(Done::default())).await);
    }
}

pub(crate) async fn a_type_that_no_pool_serves_fails_its_volume_at_once(ground: Ground) {
    let rig = ground.start();
    let _worker = rig.worker().await;
    let type_id = kind_in(&rig, "nowhere").await;
    let volume = new_volume(&rig, &type_id).await;
    let id = rig.enqueue(Subject::VolumeCreate { volume_id: volume.id }).await;
    let job = rig.wait_for_state(id, JobState::Failed).await;
    assert!(job.error.is_some_and(|reason| reason.contains("volume_backend_name=nowhere")));
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::Error);
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_001_003"]);
}

pub(crate) async fn a_copy_whose_type_asks_for_another_place_fails(ground: Ground) {
    let rig = ground.start();
    let _worker = rig.worker_with(vec!["p1", "p2"]).await;
    let source = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let type_id = kind_in(&rig, "p2").await;
    let draft = rows::volume(VolumeStatus::Creating);
    let copy = Volume { volume_type_id: type_id, pool: None, source_volume_id: Some(source.id), ..draft };
    let mut tx = rig.database.begin("test volume").await.expect("a transaction");
    db::volumes::insert(&mut tx, &copy).await.expect("inserted");
    tx.commit().await.expect("committed");
    let id = rig.enqueue(Subject::VolumeCreate { volume_id: copy.id }).await;
    rig.wait_for_state(id, JobState::Failed).await;
    assert_eq!(rig.volume(copy.id).await.status, VolumeStatus::Error);
}

pub(crate) async fn a_retype_stays_where_it_may(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker_with(vec!["p1", "p2"]).await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Retyping)).await;
    let type_id = kind_in(&rig, "p1").await;
    rig.enqueue(retype(&volume, &type_id, true)).await;
    let (job, work) = take_move(&mut worker).await;
    assert_eq!(work.to, None);
    assert!(worker.finish(&job, Outcome::Done(Done::default())).await);
    let row = rig.volume(volume.id).await;
    let expected = Volume {
        volume_type_id: type_id.clone(),
        multiattach: true,
        status: VolumeStatus::Available,
        updated_at: row.updated_at,
        ..volume
    };
    assert_eq!(row, expected);
    let usage = db::quotas::usage(&mut rig.read().await, rows::PROJECT).await.expect("read");
    let of_type = domain::quota::Counter::of_type(domain::quota::Resource::Gigabytes, &type_id);
    assert_eq!(usage.of(&of_type), 2, "it counts for its new type");
}

pub(crate) async fn a_retype_moves_where_it_must(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker_with(vec!["p1", "p2"]).await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Retyping)).await;
    let type_id = kind_in(&rig, "p2").await;
    let subject = retype(&volume, &type_id, true);
    let copy = bytes_id(&subject);
    rig.enqueue(subject).await;
    let (lost, _) = take_move(&mut worker).await;
    assert_eq!(rig.volume(volume.id).await.migration_status.as_deref(), Some("migrating"));
    assert!(worker.fail(&lost, Kind::Unavailable, "away").await);
    let (job, work) = take_move(&mut worker).await;
    let (from, to) = (work.from.expect("a volume"), work.to.expect("a copy"));
    assert_eq!((from.id.as_str(), from.pool.as_str()), (volume.id.to_string().as_str(), "p1"));
    assert_eq!((to.id.as_str(), to.pool.as_str(), to.size_gb), (copy.to_string().as_str(), "p2", 2));
    assert!(worker.finish(&job, Outcome::Done(Done::default())).await);
    let row = rig.volume(volume.id).await;
    assert_eq!((row.pool.as_deref(), row.host.as_deref()), (Some("p2"), Some("h1@p2#p2")));
    assert_eq!((row.name_id, row.volume_type_id.as_str()), (Some(copy), type_id.as_str()));
    assert_eq!((row.status, row.migration_status.as_deref()), (VolumeStatus::Available, Some("success")));
    expect_discard(&mut worker, volume.id, "p1").await;
    assert!(!worker.finish(&lost, Outcome::Done(Done::default())).await, "who was lost changes nothing");
    assert_eq!(rig.volume(volume.id).await, row);
}

pub(crate) async fn a_retype_that_must_not_move_leaves_all_as_it_was(ground: Ground) {
    let rig = ground.start();
    let _worker = rig.worker_with(vec!["p1", "p2"]).await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Retyping)).await;
    let type_id = kind_in(&rig, "p2").await;
    let id = rig.enqueue(retype(&volume, &type_id, false)).await;
    let job = rig.wait_for_state(id, JobState::Failed).await;
    assert!(job.error.is_some_and(|reason| reason.contains("migration policy is never")));
    let row = rig.volume(volume.id).await;
    let status = VolumeStatus::Available;
    assert_eq!(row, Volume { status, updated_at: row.updated_at, ..volume });
}

pub(crate) async fn a_move_that_fails_leaves_nothing_behind(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker_with(vec!["p1", "p2"]).await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Maintenance)).await;
    let copy = VolumeId::random();
    let subject = Subject::VolumeMove {
        volume_id: volume.id,
        bytes_id: copy,
        to_type: None,
        to_pool: Some("p2".to_owned()),
        may_move: true,
        was: VolumeStatus::Available,
    };
    rig.enqueue(subject).await;
    let (job, work) = take_move(&mut worker).await;
    assert_eq!(work.to.expect("a copy").pool, "p2");
    assert!(worker.fail(&job, Kind::Invalid, "no").await);
    let row = rig.volume(volume.id).await;
    assert_eq!((row.pool.as_deref(), row.name_id), (Some("p1"), None));
    assert_eq!((row.status, row.migration_status.as_deref()), (VolumeStatus::Available, Some("error")));
    expect_discard(&mut worker, copy, "p2").await;
}

pub(crate) async fn a_volume_that_somebody_took_meanwhile_is_not_moved(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker_with(vec!["p1", "p2"]).await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Retyping)).await;
    let type_id = kind_in(&rig, "p2").await;
    let subject = retype(&volume, &type_id, true);
    let copy = bytes_id(&subject);
    rig.enqueue(subject).await;
    let (job, _) = take_move(&mut worker).await;
    let mut tx = rig.database.begin("reset").await.expect("a transaction");
    db::volumes::set_status(&mut tx, volume.id, VolumeStatus::InUse, Timestamp::now()).await.expect("reset");
    tx.commit().await.expect("committed");
    assert!(worker.finish(&job, Outcome::Done(Done::default())).await);
    let row = rig.volume(volume.id).await;
    assert_eq!((row.status, row.pool.as_deref(), row.name_id), (VolumeStatus::InUse, Some("p1"), None));
    assert_eq!(row.volume_type_id, volume.volume_type_id);
    expect_discard(&mut worker, copy, "p2").await;
}
