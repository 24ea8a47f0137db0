//! Who waits for whom: projects among each other, and for what they may have at work at a time.

use domain::BackupId;
use domain::backup::{Backup, BackupStatus};
use domain::job::{JobState, Subject};
use domain::volume::VolumeStatus;
use scheduler::Config;

use crate::rig::{Ground, Rig};
use crate::rows::{self, PROJECT};

/// What a scripted worker takes at once.
const SLOTS: usize = 4;

/// A backup that can be verified, any number of times at once.
async fn stored_backup(rig: &Rig) -> BackupId {
    let volume = rows::put_volume(&rig.database, rows::volume(VolumeStatus::Available)).await;
    let backup = Backup {
        container: Some("c".to_owned()),
        service_metadata: Some("p".to_owned()),
        service: Some("cinder.backup.drivers.posix.PosixBackupDriver".to_owned()),
        ..rows::backup(&volume, BackupStatus::Available)
    };
    rows::put_backup(&rig.database, backup).await.id
}

pub(crate) async fn the_first_job_of_another_project_gets_the_next_slot(ground: Ground) {
    let rig = ground.start();
    let backup_id = stored_backup(&rig).await;
    for _ in 0..200 {
        rig.enqueue_for(PROJECT, Subject::BackupVerify { backup_id }).await;
    }
    let mut worker = rig.worker().await;
    let mut taken = Vec::new();
    for _ in 0..SLOTS {
        taken.push(worker.take().await);
    }
    let other = rig.enqueue_for("other", Subject::BackupVerify { backup_id }).await;
    assert!(worker.done(&taken[0]).await);
    assert_eq!(worker.take().await.id, other.to_string(), "so many others were asked for before it");
}

pub(crate) async fn a_project_and_a_pool_have_no_more_than_they_may(ground: Ground) {
    let rig = ground.start_with(Config { project_jobs_max: 2, pool_jobs_max: 1, ..Config::default() });
    let backup_id = stored_backup(&rig).await;
    let mut worker = rig.worker().await;
    for _ in 0..3 {
        rig.enqueue_for(PROJECT, Subject::BackupVerify { backup_id }).await;
    }
    let first = worker.take().await;
    worker.take().await;
    let other = rig.enqueue_for("other", Subject::BackupVerify { backup_id }).await;
    let of_other = worker.take().await;
    assert_eq!(of_other.id, other.to_string(), "the third of the same project waits");
    for job in [&first, &of_other] {
        assert!(worker.done(job).await);
    }
    worker.take().await;

    let mut in_pool = Vec::new();
    for project in ["one", "two"] {
        let (.., subject) = rows::backup_under_way(&rig.database).await;
        in_pool.push(rig.enqueue_for(project, subject).await);
    }
    let working = worker.take().await;
    let waits = in_pool.into_iter().find(|id| id.to_string() != working.id).expect("the other one");
    // One that needs no pool gets the slot that the other backup did not get.
    let free = rig.enqueue_for("three", Subject::BackupVerify { backup_id }).await;
    let free_job = worker.take().await;
    assert_eq!(free_job.id, free.to_string());
    assert_eq!(rig.job(waits).await.state, JobState::Queued);
    for job in [&free_job, &working] {
        assert!(worker.done(job).await);
    }
    assert_eq!(worker.take().await.id, waits.to_string());
}
