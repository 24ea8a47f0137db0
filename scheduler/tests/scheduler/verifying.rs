//! Verifications: what their end leaves with the backup, and what may go on beside them.

use std::time::Duration;

use domain::backup::{Backup, BackupStatus, Verdict, Verification};
use domain::job::{JobState, Subject};
use domain::volume::VolumeStatus;
use domain::{Kind, Timestamp};
use proto::worker::job::Work;
use proto::worker::scheduler_command::Command;

use crate::rig::{Ground, Rig};
use crate::rows;

const SERVICE: &str = "cinder.backup.drivers.posix.PosixBackupDriver";

/// A full backup and one that builds on it.
async fn chain(rig: &Rig) -> [Backup; 2] {
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let stored = |prefix: &str| Backup {
        container: Some("c".to_owned()),
        service_metadata: Some(prefix.to_owned()),
        service: Some(SERVICE.to_owned()),
        ..rows::backup(&volume, BackupStatus::Available)
    };
    let full = rows::put_backup(&rig.database, stored("full")).await;
    let next = Backup { parent_id: Some(full.id), ..stored("next") };
    [full, rows::put_backup(&rig.database, next).await]
}

async fn found(rig: &Rig, backup: &Backup) -> Option<Verification> {
    db::backups::verification(&mut rig.read().await, backup.id).await.expect("read")
}

async fn set(rig: &Rig, backup: &Backup, status: BackupStatus) {
    let mut tx = rig.database.begin("test status").await.expect("a transaction");
    db::backups::set_status(&mut tx, backup.id, status, Timestamp::now()).await.expect("set");
    tx.commit().await.expect("committed");
}

pub(crate) async fn what_was_found_is_kept_with_the_backup(ground: Ground) {
    let rig = ground.start();
    let [full, next] = chain(&rig).await;
    let mut worker = rig.worker().await;
    rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
    let job = worker.take().await;
    let Some(Work::VerifyBackup(work)) = &job.work else { panic!("another job: {job:?}") };
    let order: Vec<_> = work.chain.iter().map(|backup| backup.id.clone()).collect();
    assert_eq!(order, [full.id.to_string(), next.id.to_string()], "oldest first");
    assert!(worker.done(&job).await);
    let proven = found(&rig, &next).await.expect("a result");
    assert_eq!((proven.verdict, proven.reason.as_deref()), (Verdict::Proven, None));

    let damage = "Object o-7 of backup b is damaged at offset 32768.";
    for (kind, verdict) in [(Kind::Damaged, Verdict::Damaged), (Kind::Forbidden, Verdict::Unreadable)] {
        rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
        let job = worker.take().await;
        assert!(worker.fail(&job, kind, damage).await);
        let last = found(&rig, &next).await.expect("a result");
        assert_eq!((last.verdict, last.reason.as_deref()), (verdict, Some(damage)));
        assert!(last.at > proven.at);
    }
    assert_eq!(rig.told().await, ["VOLUME_VOLUME_BACKUP_901_902", "VOLUME_VOLUME_BACKUP_901_901"]);
    assert_eq!(rig.backup(next.id).await, Backup { dependent_backups: 0, ..next }, "nothing else has changed");
    assert_eq!(found(&rig, &full).await, None, "only what was asked for is proven");
}

pub(crate) async fn a_broken_chain_is_damage(ground: Ground) {
    let rig = ground.start();
    let [full, next] = chain(&rig).await;
    set(&rig, &full, BackupStatus::Deleted).await;
    let mut worker = rig.worker().await;
    rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
    let hint = worker.hint().await;
    assert!(worker.claim(&hint).await.is_none());
    let last = found(&rig, &next).await.expect("a result");
    assert_eq!(last.verdict, Verdict::Damaged);
    assert!(last.reason.is_some_and(|reason| reason.contains(&full.id.to_string())), "the missing one is named");
}

pub(crate) async fn a_lost_worker_s_verification_begins_again(ground: Ground) {
    let rig = ground.start();
    let [full, _] = chain(&rig).await;
    let id = rig.enqueue(Subject::BackupVerify { backup_id: full.id }).await;
    let mut lost = rig.worker().await;
    let first = lost.take().await;
    rig.wait_for_state(id, JobState::Queued).await;
    let mut worker = rig.worker().await;
    let second = worker.take().await;
    assert!(!lost.done(&first).await, "the generation is dead");
    assert_eq!(found(&rig, &full).await, None);
    assert!(worker.done(&second).await);
    assert_eq!((rig.job(id).await.attempts, second.attempt), (2, 2));
    assert_eq!(found(&rig, &full).await.map(|last| last.verdict), Some(Verdict::Proven));
}

pub(crate) async fn a_deletion_stops_the_verification(ground: Ground) {
    let rig = ground.start();
    let [_, next] = chain(&rig).await;
    let id = rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
    let mut worker = rig.worker().await;
    let verifying = worker.take().await;
    set(&rig, &next, BackupStatus::Deleting).await;
    let deletion = rig.enqueue(Subject::BackupDelete { backup_id: next.id }).await;
    let mut session = worker.session().await;
    loop {
        session.send(worker.heartbeat(&[&verifying])).await;
        if matches!(session.command().await, Command::CancelJob(_)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rig.job(deletion).await.state, JobState::Queued);
    assert!(worker.fail(&verifying, Kind::Cancelled, "cancelled").await);
    assert_eq!(rig.job(id).await.state, JobState::Cancelled);
    assert_eq!(found(&rig, &next).await, None, "nobody knows");
    let deleting = worker.take().await;
    assert!(worker.done(&deleting).await);
    assert!(rig.backup_is_gone(next.id).await);
    assert!(rig.told().await.is_empty());
}

pub(crate) async fn a_restore_and_a_verification_do_not_wait_for_each_other(ground: Ground) {
    let rig = ground.start();
    let [_, next] = chain(&rig).await;
    let target = rows::put_volume(&rig.database, rows::volume(VolumeStatus::RestoringBackup)).await;
    rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
    set(&rig, &next, BackupStatus::Restoring).await;
    let restore = Subject::BackupRestore { backup_id: next.id, volume_id: target.id, new_volume: false };
    rig.enqueue(restore).await;
    let mut worker = rig.worker().await;
    let (first, second) = (worker.take().await, worker.take().await);
    let is_restore = |job: &proto::worker::Job| matches!(job.work, Some(Work::RestoreBackup(_)));
    let (verifying, restoring) = if is_restore(&first) { (second, first) } else { (first, second) };
    assert!(matches!(verifying.work, Some(Work::VerifyBackup(_))), "{verifying:?}");
    assert!(worker.done(&verifying).await);
    assert_eq!(rig.backup(next.id).await.status, BackupStatus::Restoring, "the restore's, not ours");
    assert!(worker.done(&restoring).await);
    assert_eq!(rig.backup(next.id).await.status, BackupStatus::Available);
    assert_eq!(found(&rig, &next).await.map(|last| last.verdict), Some(Verdict::Proven));
}

pub(crate) async fn what_is_no_backup_any_more_is_not_verified(ground: Ground) {
    let rig = ground.start();
    let [_, next] = chain(&rig).await;
    set(&rig, &next, BackupStatus::Error).await;
    let id = rig.enqueue(Subject::BackupVerify { backup_id: next.id }).await;
    let mut worker = rig.worker().await;
    let hint = worker.hint().await;
    assert!(worker.claim(&hint).await.is_none());
    let job = rig.wait_for_state(id, JobState::Failed).await;
    let reason = "Verify backup aborted, expected backup status available but got error.";
    assert_eq!(job.error.as_deref(), Some(reason));
    assert_eq!(rig.backup(next.id).await.status, BackupStatus::Error);
}

/// Workers of another store cannot read it; they do not even try.
pub(crate) async fn only_workers_of_its_store_verify_a_backup(ground: Ground) {
    let rig = ground.start();
    let [full, _] = chain(&rig).await;
    let foreign = Backup {
        id: domain::BackupId::random(),
        service: Some("cinder.backup.drivers.swift.SwiftBackupDriver".to_owned()),
        ..full.clone()
    };
    let foreign = rows::put_backup(&rig.database, foreign).await;
    let waiting = rig.enqueue(Subject::BackupVerify { backup_id: foreign.id }).await;
    let own = rig.enqueue(Subject::BackupVerify { backup_id: full.id }).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert_eq!(job.id, own.to_string(), "what was asked for later, but can be done");
    assert!(worker.done(&job).await);
    assert_eq!(rig.job(waiting).await.state, JobState::Queued, "its workers may come back");
}
