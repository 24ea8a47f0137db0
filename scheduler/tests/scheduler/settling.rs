//! What the end of each kind of job leaves in the rows.

use std::collections::BTreeMap;

use db::metadata;
use domain::backup::BackupStatus;
use domain::job::{JobState, Subject};
use domain::snapshot::SnapshotStatus;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Kind, Timestamp};
use proto::worker::finish_request::Outcome;
use proto::worker::job::Work;
use proto::worker::{Done, VolumeMeta};

use crate::rig::Ground;
use crate::rows;

pub(crate) async fn a_finished_backup_is_available_and_its_volume_back(ground: Ground) {
    let rig = ground.start();
    let (volume, backup, subject) = rows::backup_under_way(&rig.database).await;
    let id = rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let done = || Outcome::Done(Done { object_count: 7, ..Done::default() });
    assert!(worker.finish(&job, done()).await);
    assert!(worker.finish(&job, done()).await, "the same report again is accepted and changes nothing");
    let row = rig.backup(backup.id).await;
    assert_eq!((row.status, row.object_count, row.size_gb), (BackupStatus::Available, 7, 2));
    let row = rig.volume(volume.id).await;
    assert_eq!((row.status, row.previous_status), (VolumeStatus::Available, Some(VolumeStatus::BackingUp)));
    assert_eq!(rig.job(id).await.state, JobState::Succeeded);
    assert_eq!(rows::usage(&rig.database).await, [1, 2, 0, 1, 2]);
}

pub(crate) async fn a_snapshot_s_backup_leaves_the_volume_alone(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::InUse)).await;
    let snapshot = rows::put_snapshot(&rig.database, rows::snapshot(&volume, SnapshotStatus::BackingUp)).await;
    let draft = rows::backup(&volume, BackupStatus::Creating);
    let draft = domain::backup::Backup { snapshot_id: Some(snapshot.id), ..draft };
    let backup = rows::put_backup(&rig.database, draft).await;
    rig.enqueue(rows::create_backup(&backup)).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let Some(Work::CreateBackup(work)) = &job.work else { panic!("another job: {job:?}") };
    assert_eq!(work.snapshot.as_ref().expect("a snapshot").id, snapshot.id.to_string());
    assert!(worker.fail(&job, Kind::Invalid, "no").await);
    assert_eq!(rig.snapshot(snapshot.id).await.status, SnapshotStatus::Available);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::InUse);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Error);
}

pub(crate) async fn a_deleted_volume_takes_its_snapshots_and_all_quota(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Deleting)).await;
    for _ in 0..2 {
        rows::put_snapshot(&rig.database, rows::snapshot(&volume, SnapshotStatus::Deleting)).await;
    }
    assert_eq!(rows::usage(&rig.database).await, [1, 6, 2, 0, 0]);
    rig.enqueue(Subject::VolumeDelete { volume_id: volume.id, keep_data: false }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(matches!(&job.work, Some(Work::DeleteVolume(work)) if work.snapshots.len() == 2 && !work.keep_data));
    assert!(worker.done(&job).await);
    assert!(rig.volume_is_gone(volume.id).await);
    assert_eq!(rows::usage(&rig.database).await, [0, 0, 0, 0, 0]);
}

pub(crate) async fn a_volume_that_stays_keeps_its_snapshots(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Deleting)).await;
    let snapshot = rows::put_snapshot(&rig.database, rows::snapshot(&volume, SnapshotStatus::Deleting)).await;
    rig.enqueue(Subject::VolumeDelete { volume_id: volume.id, keep_data: false }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.fail(&job, Kind::Invalid, "the disk is read only").await);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::ErrorDeleting);
    assert_eq!(rig.snapshot(snapshot.id).await.status, SnapshotStatus::ErrorDeleting);
    assert_eq!(rows::usage(&rig.database).await, [1, 4, 1, 0, 0]);
}

pub(crate) async fn growth_becomes_the_size_or_goes_back(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let cases = [
        (true, AttachStatus::Attached, 5, VolumeStatus::InUse),
        (true, AttachStatus::Detached, 5, VolumeStatus::Available),
        (false, AttachStatus::Attached, 2, VolumeStatus::ErrorExtending),
    ];
    for (succeeds, attach_status, size_gb, status) in cases {
        let draft = Volume { attach_status, ..rows::volume(VolumeStatus::Extending) };
        let volume = rows::put_volume(&rig.database, draft).await;
        let mut tx = rig.database.begin("growth").await.expect("a transaction");
        rows::charge(&mut tx, &rows::growth(&volume)).await;
        tx.commit().await.expect("committed");
        let was = VolumeStatus::InUse;
        rig.enqueue(rows::extend(&volume, was)).await;
        let job = worker.take().await;
        let outcome = match succeeds {
            true => Outcome::Done(Done::default()),
            false => Outcome::Failure(crate::rig::failure(Kind::Invalid, "no")),
        };
        assert!(worker.finish(&job, outcome).await);
        let row = rig.volume(volume.id).await;
        assert_eq!((row.size_gb, row.status), (size_gb, status));
    }
    assert_eq!(rows::usage(&rig.database).await, [3, 12, 0, 0, 0]);
}

pub(crate) async fn growth_of_a_volume_that_went_goes_back(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Extending)).await;
    let mut tx = rig.database.begin("growth").await.expect("a transaction");
    rows::charge(&mut tx, &rows::growth(&volume)).await;
    tx.commit().await.expect("committed");
    let was = VolumeStatus::Available;
    rig.enqueue(rows::extend(&volume, was)).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let mut tx = rig.database.begin("gone").await.expect("a transaction");
    db::volumes::delete(&mut tx, volume.id).await.expect("deleted");
    db::quotas::release(&mut tx, rows::PROJECT, &volume.holding()).await.expect("less");
    tx.commit().await.expect("committed");
    assert!(worker.fail(&job, Kind::NotFound, "no such volume").await);
    assert_eq!(rows::usage(&rig.database).await, [0, 0, 0, 0, 0]);
}

/// After an operator's reset a second backup took the volume: the first one's end must not make it look free.
pub(crate) async fn a_status_that_a_later_job_owns_stays(ground: Ground) {
    let rig = ground.start();
    let (volume, _, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let first = worker.take().await;
    let later = rows::put_backup(&rig.database, rows::backup(&volume, BackupStatus::Creating)).await;
    rig.enqueue(rows::create_backup(&later)).await;
    let second = worker.take().await;
    assert!(worker.fail(&first, Kind::Invalid, "no").await);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::BackingUp);
    assert!(worker.done(&second).await);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::Available);
}

pub(crate) async fn an_adopted_volume_is_counted_when_its_size_is_known(ground: Ground) {
    let rig = ground.start();
    let draft = Volume { size_gb: 0, ..rows::volume(VolumeStatus::Managing) };
    let volume = rows::put_volume(&rig.database, draft).await;
    let source = "/srv/images/disk.raw".to_owned();
    rig.enqueue(Subject::VolumeManage { volume_id: volume.id, source }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.finish(&job, Outcome::Done(Done { size_gb: 9, ..Done::default() })).await);
    let row = rig.volume(volume.id).await;
    assert_eq!((row.size_gb, row.status), (9, VolumeStatus::Available));
    assert_eq!(rows::usage(&rig.database).await, [1, 9, 0, 0, 0]);
}

pub(crate) async fn snapshots_come_and_go(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let snapshot = rows::put_snapshot(&rig.database, rows::snapshot(&volume, SnapshotStatus::Creating)).await;
    let ids = (snapshot.id, volume.id);
    rig.enqueue(Subject::SnapshotCreate { snapshot_id: ids.0, volume_id: ids.1 }).await;
    let job = worker.take().await;
    assert!(worker.done(&job).await);
    assert_eq!(rig.snapshot(snapshot.id).await.status, SnapshotStatus::Available);
    let mut tx = rig.database.begin("delete").await.expect("a transaction");
    let now = Timestamp::now();
    db::snapshots::set_status(&mut tx, snapshot.id, SnapshotStatus::Deleting, now).await.expect("set");
    tx.commit().await.expect("committed");
    rig.enqueue(Subject::SnapshotDelete { snapshot_id: ids.0, volume_id: ids.1, keep_data: false }).await;
    let job = worker.take().await;
    assert!(worker.done(&job).await);
    assert_eq!(rows::usage(&rig.database).await, [1, 2, 0, 0, 0]);
}

pub(crate) async fn an_adopted_snapshot_is_counted_by_what_it_holds(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    for (name, is_free) in [("disk.raw".to_owned(), false), (format!("/p/volume-{}", volume.id), false)]
        .into_iter()
        .chain([(format!("snapshot-{}", domain::SnapshotId::random()), true)])
    {
        let draft = rows::snapshot(&volume, SnapshotStatus::Creating);
        let snapshot = rows::put_snapshot(&rig.database, draft).await;
        let (snapshot_id, volume_id) = (snapshot.id, volume.id);
        rig.enqueue(Subject::SnapshotManage { snapshot_id, volume_id, source: name.clone() }).await;
        let job = worker.take().await;
        let Some(Work::ManageSnapshot(work)) = &job.work else { panic!("{job:?}") };
        assert_eq!((&work.source, work.released), (&name, is_free), "only what nobody has any more is free");
        assert!(worker.finish(&job, Outcome::Done(Done { size_gb: 1, ..Done::default() })).await);
        let row = rig.snapshot(snapshot.id).await;
        assert_eq!((row.size_gb, row.status), (1, SnapshotStatus::Available));
    }
    assert_eq!(rows::usage(&rig.database).await, [1, 5, 3, 0, 0]);
}

pub(crate) async fn a_revert_frees_both_or_spoils_the_volume(ground: Ground) {
    let rig = ground.start();
    let mut worker = rig.worker().await;
    for (ok, status) in [(true, VolumeStatus::Available), (false, VolumeStatus::Error)] {
        let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Reverting)).await;
        let snapshot = rows::put_snapshot(&rig.database, rows::snapshot(&volume, SnapshotStatus::Restoring)).await;
        rig.enqueue(Subject::VolumeRevert { volume_id: volume.id, snapshot_id: snapshot.id }).await;
        let job = worker.take().await;
        let ended = if ok { worker.done(&job).await } else { worker.fail(&job, Kind::Damaged, "no").await };
        assert!(ended);
        assert_eq!(rig.volume(volume.id).await.status, status);
        assert_eq!(rig.snapshot(snapshot.id).await.status, SnapshotStatus::Available);
    }
}

pub(crate) async fn a_restore_gives_names_and_metadata_back(ground: Ground) {
    let rig = ground.start();
    let source = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let backup = rows::put_backup(&rig.database, rows::backup(&source, BackupStatus::Restoring)).await;
    let name = Some(format!("restore_backup_{}", backup.id));
    let draft = Volume { name, pool: None, ..rows::volume(VolumeStatus::RestoringBackup) };
    let target = rows::put_volume(&rig.database, draft).await;
    let subject = Subject::BackupRestore { backup_id: backup.id, volume_id: target.id, new_volume: true };
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(matches!(&job.work, Some(Work::RestoreBackup(work)) if work.chain.len() == 1 && work.new_volume));
    let pairs = |key: &str| BTreeMap::from([(key.to_owned(), "v".to_owned())]);
    let layer = |name: &str, key: &str| VolumeMeta {
        name: Some(name.to_owned()),
        description: Some("what it was".to_owned()),
        has_metadata: true,
        metadata: pairs(key).into_iter().collect(),
    };
    // What no API call could have written is left out.
    let mut last = layer("new", "k2");
    last.metadata.extend([("k\0".to_owned(), "v".to_owned()), ("k3".to_owned(), "v".repeat(256))]);
    let volume_meta = vec![layer("nul\0", "k0"), layer("old", "k1"), last];
    assert!(worker.finish(&job, Outcome::Done(Done { volume_meta, ..Done::default() })).await);
    let row = rig.volume(target.id).await;
    assert_eq!((row.status, row.name.as_deref()), (VolumeStatus::Available, Some("old")));
    assert_eq!(row.description.as_deref(), Some("what it was"));
    assert!(row.launched_at.is_some());
    let mut expected = pairs("k2");
    expected.insert("src_backup_id".to_owned(), backup.id.to_string());
    let stored = metadata::get(&mut rig.read().await, &target.id.to_string()).await.expect("read");
    assert_eq!(stored, expected);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Available);
}

pub(crate) async fn a_failed_restore_spoils_the_target_not_the_backup(ground: Ground) {
    let rig = ground.start();
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::RestoringBackup)).await;
    let backup = rows::put_backup(&rig.database, rows::backup(&volume, BackupStatus::Restoring)).await;
    let subject = Subject::BackupRestore { backup_id: backup.id, volume_id: volume.id, new_volume: false };
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.fail(&job, Kind::Damaged, "object p-00001 is damaged").await);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::ErrorRestoring);
    let row = rig.backup(backup.id).await;
    assert_eq!((row.status, row.fail_reason.as_deref()), (BackupStatus::Available, Some("object p-00001 is damaged")));
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_BACKUP_015_026"]);
}

/// What only several writers at once can meet.
mod real {
    use std::time::Duration;

    use db::{quotas, sql, volumes};
    use domain::Timestamp;
    use domain::job::Subject;
    use domain::volume::VolumeStatus;

    use crate::rig::{Rig, on_postgres};
    use crate::rows;

    /// A request that has begun changes the rows of its project, whatever ends meanwhile.
    #[tokio::test]
    async fn the_end_of_a_job_queues_behind_a_request_of_its_project() {
        on_postgres(|ground| async move {
            let rig = ground.start();
            let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Deleting)).await;
            rig.enqueue(Subject::VolumeDelete { volume_id: volume.id, keep_data: false }).await;
            let mut worker = rig.worker().await;
            let job = worker.take().await;
            let mut request = rig.database.begin("test request").await.expect("a transaction");
            quotas::hold(&mut request, &volume.project_id).await.expect("held");
            let end = stdx::task::spawn("end", async move { worker.done(&job).await });
            somebody_waits(&rig).await;
            let renamed =
                volumes::update_texts(&mut request, volume.id, Some(Some("new")), None, Timestamp::now()).await;
            renamed.expect("nobody is in the way");
            request.commit().await.expect("committed");
            assert!(end.await.expect("ended"), "the job ends after the request");
            assert!(rig.volume_is_gone(volume.id).await);
        })
        .await;
    }

    async fn somebody_waits(rig: &Rig) {
        let text = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sql(text).fetch_all(&mut rig.read().await).await.expect("read").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
