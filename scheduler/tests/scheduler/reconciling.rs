//! Rows that wait for a job that does not exist.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::message::{About, Action, Detail, Message, TTL_SECS};
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{Volume, VolumeStatus};
use domain::{BackupId, Timestamp, VolumeId};
use proto::worker::ReportStoredRequest;

use crate::rig::Ground;
use crate::rows;

async fn eventually(mut reached: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("reached in time");
}

pub(crate) async fn what_nobody_works_on_is_reset_what_waits_is_not(ground: Ground) {
    let long_ago = Timestamp::now().minus_secs(600);
    let old = |volume: Volume| Volume { created_at: long_ago, ..volume };
    let stuck = rows::put_volume(&ground.database, old(rows::volume(VolumeStatus::BackingUp))).await;
    let draft = Backup { created_at: long_ago, ..rows::backup(&stuck, BackupStatus::Creating) };
    let backup = rows::put_backup(&ground.database, draft).await;
    let fresh = rows::put_volume(&ground.database, rows::volume(VolumeStatus::Creating)).await;
    // Waits for a worker, with a snapshot that goes with it and has no job of its own.
    let waiting = rows::put_volume(&ground.database, old(rows::volume(VolumeStatus::Deleting))).await;
    let draft = Snapshot { created_at: long_ago, ..rows::snapshot(&waiting, SnapshotStatus::Deleting) };
    let snapshot = rows::put_snapshot(&ground.database, draft).await;
    let mut tx = ground.database.begin("old job").await.expect("a transaction");
    rows::enqueue(&mut tx, rows::PROJECT, Subject::VolumeDelete { volume_id: waiting.id, keep_data: false }, long_ago)
        .await;
    tx.commit().await.expect("committed");

    let rig = ground.start();
    eventually(async || rig.volume(stuck.id).await.status == VolumeStatus::Available).await;
    let row = rig.volume(stuck.id).await;
    assert_eq!(row.previous_status, Some(VolumeStatus::ErrorBackingUp));
    let row = rig.backup(backup.id).await;
    assert_eq!(row.status, BackupStatus::Error);
    assert!(row.fail_reason.is_some());
    assert_eq!(rig.volume(fresh.id).await.status, VolumeStatus::Creating);
    assert_eq!(rig.volume(waiting.id).await.status, VolumeStatus::Deleting);
    assert_eq!(rig.snapshot(snapshot.id).await.status, SnapshotStatus::Deleting);
}

pub(crate) async fn copies_without_a_backup_may_go(ground: Ground) {
    let mut frozen = Vec::new();
    for status in [
        BackupStatus::Available,
        BackupStatus::Restoring,
        BackupStatus::Deleting,
        BackupStatus::Error,
        BackupStatus::Deleted,
    ] {
        let volume = rows::put_volume(&ground.database, rows::volume(VolumeStatus::Available)).await;
        let backup = rows::put_backup(&ground.database, rows::backup(&volume, status)).await;
        frozen.push((backup.id.to_string(), matches!(status, BackupStatus::Available | BackupStatus::Restoring)));
    }
    frozen.push((BackupId::random().to_string(), false));
    let rig = ground.start();
    let mut worker = rig.worker().await;
    let mut report = ReportStoredRequest {
        worker_id: worker.id.to_string(),
        pool: rows::POOL.to_owned(),
        frozen_backup_ids: frozen.iter().map(|(id, _)| id.clone()).collect(),
        ..ReportStoredRequest::default()
    };
    report.frozen_backup_ids.push("no id".to_owned());
    let told = worker.client.report_stored(report).await.expect("an answer").into_inner().thaw_backup_ids;
    let expected: Vec<String> = frozen.into_iter().filter(|(_, kept)| !kept).map(|(id, _)| id).collect();
    assert_eq!(BTreeSet::from_iter(told), BTreeSet::from_iter(expected));
}

/// Of each volume the copy stays that the next backup is compared with, and whatever a backup that is being made reads.
pub(crate) async fn copies_stay_that_a_backup_reads(ground: Ground) {
    let volume = rows::put_volume(&ground.database, rows::volume(VolumeStatus::Available)).await;
    let other = rows::put_volume(&ground.database, rows::volume(VolumeStatus::Available)).await;
    let now = Timestamp::now();
    let put = async |volume: &Volume, status, age, parent_id| {
        let draft = rows::backup(volume, status);
        let draft = Backup { data_timestamp: now.minus_secs(age), parent_id, ..draft };
        rows::put_backup(&ground.database, draft).await.id
    };
    let oldest = put(&volume, BackupStatus::Available, 50, None).await;
    let built_on = put(&volume, BackupStatus::Available, 40, None).await;
    let latest = put(&volume, BackupStatus::Available, 30, None).await;
    // Made later, of a snapshot that is older.
    let of_snapshot = put(&volume, BackupStatus::Available, 45, None).await;
    let running = put(&volume, BackupStatus::Creating, 10, Some(built_on)).await;
    let waiting = put(&volume, BackupStatus::Creating, 5, None).await;
    let failed = put(&volume, BackupStatus::Error, 1, None).await;
    let elsewhere = put(&other, BackupStatus::Available, 90, None).await;
    let all = [oldest, built_on, latest, of_snapshot, running, waiting, failed, elsewhere];

    let rig = ground.start();
    let mut worker = rig.worker().await;
    let mut goes = async |unshared: &[BackupId]| {
        let report = ReportStoredRequest {
            worker_id: worker.id.to_string(),
            pool: rows::POOL.to_owned(),
            files_stand: true,
            frozen_backup_ids: all.iter().map(ToString::to_string).collect(),
            unshared_backup_ids: unshared.iter().map(ToString::to_string).collect(),
            ..ReportStoredRequest::default()
        };
        let told = worker.client.report_stored(report).await.expect("an answer").into_inner().thaw_backup_ids;
        told.iter().map(|id| id.parse().expect("an id")).collect::<BTreeSet<BackupId>>()
    };
    assert_eq!(goes(&[]).await, BTreeSet::from([oldest, of_snapshot, failed]));
    // Where copies cost their volume's size none is kept for later.
    assert_eq!(goes(&all).await, BTreeSet::from([oldest, of_snapshot, failed, latest, elsewhere]));
}

pub(crate) async fn messages_go_when_their_time_is_over(ground: Ground) {
    let now = Timestamp::now();
    let about = About::Volume(VolumeId::random());
    let told =
        |now| Message::error(rows::PROJECT, None, about, (Action::ExtendVolume, Detail::DriverFailedExtend), now);
    let (old, new) = (told(now.minus_secs(TTL_SECS + 1)), told(now));
    let mut tx = ground.database.begin("messages").await.expect("a transaction");
    db::messages::insert(&mut tx, &old).await.expect("inserted");
    db::messages::insert(&mut tx, &new).await.expect("inserted");
    tx.commit().await.expect("committed");

    let rig = ground.start();
    eventually(async || rig.told().await.len() == 1).await;
    db::messages::get(&mut rig.read().await, &db::Scope::All, &new.id.to_string()).await.expect("the newer one stays");
}

pub(crate) async fn services_show_the_scheduler_and_what_workers_are(ground: Ground) {
    let rig = ground.start();
    let _worker = rig.worker().await;
    eventually(async || {
        let services = db::services::list(&mut rig.read().await, None, None).await.expect("read");
        let known =
            |host: &str, binary: &str| services.iter().any(|service| service.host == host && service.binary == binary);
        let scheduler = services.iter().any(|service| service.binary == "cinder-scheduler");
        scheduler && known("h1", "cinder-backup") && known("h1@p1", "cinder-volume")
    })
    .await;
}
