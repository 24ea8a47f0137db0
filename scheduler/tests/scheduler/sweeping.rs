//! What may come to the store after the job that sent it.

use std::time::Duration;

use db::backups::Place;
use db::late_writes::{self, LateWrites};
use domain::backup::{Backup, BackupStatus};
use domain::job::{JobKind, JobState, Subject};
use domain::volume::VolumeStatus;
use domain::{BackupId, Kind, Timestamp};
use proto::worker::job::Work;
use proto::worker::sweep_backup::Spares;
use scheduler::Config;
use tokio_util::task::AbortOnDropHandle;

use crate::rig::{Ground, Rig, ScriptedWorker};
use crate::rows;

const SERVICE: &str = "cinder.backup.drivers.posix.PosixBackupDriver";

fn hasty() -> Config {
    Config { late_write_secs: 2, ..Config::default() }
}

async fn begin(rig: &Rig, id: BackupId) {
    let place = Place {
        container: "c".to_owned(),
        prefix: "p".to_owned(),
        service: SERVICE.to_owned(),
        availability_zone: "nova".to_owned(),
        host: "h1".to_owned(),
    };
    let mut tx = rig.database.begin("begin").await.expect("a transaction");
    db::backups::begin(&mut tx, id, &place, Timestamp::now()).await.expect("begun");
    tx.commit().await.expect("committed");
}

/// A worker is known as long as it is heard of.
async fn keep_alive(worker: &mut ScriptedWorker) -> AbortOnDropHandle<()> {
    let (session, heartbeat) = (worker.session().await, worker.heartbeat(&[]));
    AbortOnDropHandle::new(stdx::task::spawn("heartbeats", async move {
        loop {
            session.send(heartbeat.clone()).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }))
}

/// What the next job, which is a sweep of that place, spares.
async fn swept(worker: &mut ScriptedWorker, id: BackupId) -> Spares {
    let job = worker.take().await;
    let Some(Work::SweepBackup(work)) = &job.work else { panic!("another job: {job:?}") };
    let backup = work.backup.clone().expect("a backup");
    assert_eq!((backup.id, backup.size_gb, backup.service.as_deref()), (id.to_string(), 2, Some(SERVICE)));
    assert_eq!((backup.container.as_deref(), backup.prefix.as_deref()), (Some("c"), Some("p")));
    assert!(worker.done(&job).await);
    work.spares()
}

async fn until_nothing_is_expected(rig: &Rig) {
    let forgotten = async {
        let later = Timestamp::now().plus_secs(60);
        while !late_writes::due(&mut rig.read().await, later, 9).await.expect("read").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), forgotten).await.expect("in time");
}

async fn sweeps(rig: &Rig) -> usize {
    let text = "SELECT id FROM jobs WHERE kind = 'backup_sweep'";
    db::sql(text).fetch_all(&mut rig.read().await).await.expect("read").len()
}

pub(crate) async fn of_a_backup_that_was_not_made_nothing_stays(ground: Ground) {
    let rig = ground.start_with(hasty());
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let _alive = keep_alive(&mut worker).await;
    let job = worker.take().await;
    begin(&rig, backup.id).await;
    assert!(worker.fail(&job, Kind::Cancelled, "cancelled").await);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Error);
    for _ in 0..3 {
        assert_eq!(swept(&mut worker, backup.id).await, Spares::Nothing);
    }
    until_nothing_is_expected(&rig).await;
    assert_eq!(sweeps(&rig).await, 3, "at once, in the midst, and when nothing can come any more");
}

pub(crate) async fn a_backup_of_several_attempts_is_looked_after(ground: Ground) {
    let rig = ground.start_with(hasty());
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let _alive = keep_alive(&mut worker).await;
    let first = worker.take().await;
    begin(&rig, backup.id).await;
    assert!(worker.fail(&first, Kind::Unavailable, "the store is away").await);
    let second = worker.take().await;
    assert!(worker.done(&second).await);
    assert_eq!(rig.backup(backup.id).await.status, BackupStatus::Available);
    assert_eq!(swept(&mut worker, backup.id).await, Spares::Rest);
    // Whoever deletes it need not wait for the next one: that is cancelled.
    let hint = worker.hint().await;
    let mut tx = rig.database.begin("delete").await.expect("a transaction");
    db::backups::set_status(&mut tx, backup.id, BackupStatus::Deleting, Timestamp::now()).await.expect("set");
    tx.commit().await.expect("committed");
    let deletion = rig.enqueue(Subject::BackupDelete { backup_id: backup.id }).await;
    let sweep = worker.claim(&hint).await;
    if let Some(sweep) = sweep {
        assert!(worker.fail(&sweep, Kind::Cancelled, "cancelled").await);
    }
    let job = worker.take().await;
    assert!(matches!(job.work, Some(Work::DeleteBackup(_))), "{job:?}");
    assert!(worker.done(&job).await);
    rig.wait_for_state(deletion, JobState::Succeeded).await;
}

pub(crate) async fn a_backup_of_one_attempt_is_looked_after_when_it_is_gone(ground: Ground) {
    let rig = ground.start_with(hasty());
    let mut worker = rig.worker().await;
    let _alive = keep_alive(&mut worker).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
        rig.enqueue(subject).await;
        let job = worker.take().await;
        begin(&rig, backup.id).await;
        assert!(worker.done(&job).await);
        made.push(backup.id);
    }
    let mut tx = rig.database.begin("delete").await.expect("a transaction");
    db::backups::delete(&mut tx, made[1], Timestamp::now()).await.expect("deleted");
    tx.commit().await.expect("committed");
    // The other one has the same place.
    assert_eq!(swept(&mut worker, made[1]).await, Spares::Rest);
    until_nothing_is_expected(&rig).await;
    assert_eq!(sweeps(&rig).await, 1);
}

/// Whether the backup was made, the rows of its place (its own, or another's) with their statuses, and what stays.
type Case = (bool, &'static [(bool, BackupStatus)], Spares);

pub(crate) async fn what_goes_is_nobody_s(ground: Ground) {
    use BackupStatus::{Available, Creating, Deleted, Deleting, Error, Restoring};
    let rig = ground.start_with(hasty());
    let mut worker = rig.worker().await;
    let _alive = keep_alive(&mut worker).await;
    let cases: [Case; 9] = [
        (false, &[], Spares::Whole),
        (false, &[(true, Deleted)], Spares::Whole),
        (false, &[(true, Error)], Spares::Nothing),
        (false, &[(true, Available)], Spares::Rest),
        (true, &[(true, Error)], Spares::Rest),
        (true, &[(true, Deleting)], Spares::Rest),
        (true, &[(true, Deleted), (false, Restoring)], Spares::Rest),
        (false, &[(true, Error), (false, Available)], Spares::Rest),
        (false, &[(true, Creating)], Spares::Rest),
    ];
    for (made, there, expected) in cases {
        let id = BackupId::random();
        let volume = rows::volume(VolumeStatus::Available);
        let mut put = Vec::new();
        for (itself, status) in there {
            let draft = rows::backup(&volume, *status);
            let backup = Backup {
                id: if *itself { id } else { draft.id },
                container: Some("c".to_owned()),
                service_metadata: Some("p".to_owned()),
                ..draft
            };
            put.push(rows::put_backup(&rig.database, backup).await.id);
        }
        let subject = Subject::BackupSweep {
            backup_id: id,
            container: "c".to_owned(),
            prefix: "p".to_owned(),
            service: SERVICE.to_owned(),
            size_gb: 2,
            made,
        };
        assert_eq!(subject.kind(), JobKind::BackupSweep);
        rig.enqueue(subject).await;
        assert_eq!(swept(&mut worker, id).await, expected, "{made} {there:?}");
        let mut tx = rig.database.begin("clear").await.expect("a transaction");
        for id in put {
            db::backups::delete(&mut tx, id, Timestamp::now()).await.expect("deleted");
        }
        tx.commit().await.expect("committed");
    }
}

/// What is looked for at the place of a backup that is gone may be the objects of a record that is being imported.
pub(crate) async fn a_record_of_what_is_swept_is_refused(ground: Ground) {
    let place = |id| LateWrites {
        backup_id: id,
        project_id: rows::PROJECT.to_owned(),
        container: "c".to_owned(),
        prefix: "p".to_owned(),
        service: SERVICE.to_owned(),
        size_gb: 2,
        made: false,
        alone: false,
        ended_at: Timestamp::now(),
        due_at: Timestamp::now(),
    };
    let rig = ground.start();
    let known = Backup {
        container: Some("c".to_owned()),
        service_metadata: Some("p".to_owned()),
        ..rows::backup(&rows::volume(VolumeStatus::Available), BackupStatus::Available)
    };
    let import = crate::importing::import(&rig, &known, SERVICE).await;
    let mut worker = rig.worker().await;
    let _alive = keep_alive(&mut worker).await;
    let importing = worker.take().await;
    let mut tx = rig.database.begin("expect").await.expect("a transaction");
    late_writes::expect(&mut tx, &place(known.id)).await.expect("noted");
    tx.commit().await.expect("committed");
    let sweep = worker.take().await;
    assert!(matches!(sweep.work, Some(Work::SweepBackup(_))), "{sweep:?}");
    assert!(worker.done(&sweep).await);
    assert!(worker.done(&importing).await);
    rig.wait_for_state(import, JobState::Failed).await;
    assert_eq!(rig.backup(known.id).await.status, BackupStatus::Error);
}
