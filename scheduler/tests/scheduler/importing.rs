//! Records that become backups, and backups that share their objects.

use std::collections::BTreeMap;

use domain::backup::{Backup, BackupStatus};
use domain::job::{JobState, Subject};
use domain::{BackupId, Kind, Timestamp, VolumeId};
use format::BackupRecord;
use proto::worker::job::Work;

use crate::rig::{Ground, Rig};
use crate::rows;

const SERVICE: &str = "cinder.backup.drivers.posix";

/// A backup with objects, as one Cinder had it.
fn made() -> Backup {
    Backup {
        id: BackupId::random(),
        project_id: "elsewhere".to_owned(),
        volume_id: VolumeId::random(),
        container: Some("c".to_owned()),
        service_metadata: Some("volume_v/20261122142937/az_nova_backup_b".to_owned()),
        object_count: 4,
        data_timestamp: Timestamp::from_micros(7_000_000),
        created_at: Timestamp::from_micros(8_000_000),
        ..rows::backup(&rows::volume(domain::volume::VolumeStatus::Available), BackupStatus::Available)
    }
}

/// The row and the job that the api leaves for its record.
pub(crate) async fn import(rig: &Rig, known: &Backup, service: &str) -> domain::JobId {
    import_text(rig, known, service, BackupRecord::encode(known, &BTreeMap::from([("k".into(), "v".into())]))).await
}

async fn import_text(rig: &Rig, known: &Backup, service: &str, record: String) -> domain::JobId {
    let nothing = rows::volume(domain::volume::VolumeStatus::Available);
    let placeholder = Backup { id: known.id, name: None, ..rows::backup(&nothing, BackupStatus::Creating) };
    rows::put_backup(&rig.database, placeholder).await;
    rig.enqueue(Subject::BackupImport { backup_id: known.id, service: service.to_owned(), record }).await
}

async fn put(rig: &Rig, known: &Backup, status: BackupStatus) -> Backup {
    let created_at = Timestamp::now();
    let backup =
        Backup { id: BackupId::random(), project_id: rows::PROJECT.to_owned(), status, created_at, ..known.clone() };
    rows::put_backup(&rig.database, backup).await
}

pub(crate) async fn a_record_becomes_a_backup_of_the_importer(ground: Ground) {
    let rig = ground.start();
    let known = made();
    import(&rig, &known, SERVICE).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let Some(Work::ImportBackup(work)) = &job.work else { panic!("another job: {job:?}") };
    let place = work.backup.clone().expect("a backup");
    assert_eq!((place.container, place.prefix), (known.container.clone(), known.service_metadata.clone()));
    assert!(worker.done(&job).await);
    let row = rig.backup(known.id).await;
    let expected = Backup {
        project_id: rows::PROJECT.to_owned(),
        host: Some("h1".to_owned()),
        availability_zone: Some("nova".to_owned()),
        service: Some("cinder.backup.drivers.posix.PosixBackupDriver".to_owned()),
        updated_at: row.updated_at,
        ..known.clone()
    };
    assert_eq!(row, expected);
    let pairs = db::metadata::get(&mut rig.read().await, &known.id.to_string()).await.expect("pairs");
    assert_eq!(pairs, BTreeMap::from([("k".into(), "v".into())]));
    assert_eq!(rows::usage(&rig.database).await, [0, 0, 0, 1, 2]);
}

pub(crate) async fn a_record_that_fails_stays_a_placeholder(ground: Ground) {
    let rig = ground.start();
    let known = made();
    import(&rig, &known, "").await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.fail(&job, Kind::Damaged, "no manifest").await);
    let row = rig.backup(known.id).await;
    assert_eq!((row.status, row.fail_reason.as_deref()), (BackupStatus::Error, Some("no manifest")));
    assert_eq!(
        (row.service_metadata, row.container, row.name),
        (None, None, None),
        "nothing that a deletion would take"
    );
    let other = made();
    let id = import(&rig, &other, "cinder.backup.drivers.ceph").await;
    rig.wait_for_state(id, JobState::Failed).await;
    let reason = "Import record failed, cannot find backup service to perform the import. Request service \
                  cinder.backup.drivers.ceph.";
    let row = rig.backup(other.id).await;
    assert_eq!((row.status, row.fail_reason.as_deref()), (BackupStatus::Error, Some(reason)));
    let incomplete = made();
    let record = base64(&format!("{{\"id\": \"{}\", \"size\": 2, \"container\": \"c\"}}", incomplete.id));
    let id = import_text(&rig, &incomplete, SERVICE, record).await;
    let hint = worker.hint().await;
    assert!(worker.claim(&hint).await.is_none(), "there is nothing to do");
    rig.wait_for_state(id, JobState::Failed).await;
    let reason = "Driver successfully decoded imported backup data, but there are missing fields (display_name, \
                  display_description, service_metadata, object_count).";
    assert_eq!(rig.backup(incomplete.id).await.fail_reason.as_deref(), Some(reason));
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub(crate) async fn objects_that_are_going_make_no_backup(ground: Ground) {
    let rig = ground.start();
    let known = made();
    let other = put(&rig, &known, BackupStatus::Deleting).await;
    let id = import(&rig, &known, SERVICE).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.done(&job).await);
    rig.wait_for_state(id, JobState::Failed).await;
    let row = rig.backup(known.id).await;
    assert!(row.fail_reason.is_some_and(|reason| reason.contains("being deleted")), "{other:?}");
    assert_eq!((row.status, row.service_metadata), (BackupStatus::Error, None));
}

pub(crate) async fn a_record_that_closes_a_circle_is_refused(ground: Ground) {
    let rig = ground.start();
    let child = made();
    let parent = Backup { parent_id: Some(child.id), ..made() };
    let child = Backup { parent_id: Some(parent.id), ..child };
    let mut worker = rig.worker().await;
    for (known, status) in [(&child, BackupStatus::Available), (&parent, BackupStatus::Error)] {
        import(&rig, known, SERVICE).await;
        let job = worker.take().await;
        assert!(worker.done(&job).await);
        assert_eq!(rig.backup(known.id).await.status, status);
    }
    let row = rig.backup(parent.id).await;
    assert!(row.fail_reason.is_some_and(|reason| reason.contains("its own ancestor")));
    assert_eq!(row.parent_id, None);
}

pub(crate) async fn a_deletion_is_not_in_the_way_of_shared_objects(ground: Ground) {
    let rig = ground.start();
    let known = made();
    let (first, second) =
        (put(&rig, &known, BackupStatus::Deleting).await, put(&rig, &known, BackupStatus::Deleting).await);
    let ids = [first.id, second.id];
    let mut jobs = Vec::new();
    for backup_id in ids {
        jobs.push(rig.enqueue(Subject::BackupDelete { backup_id }).await);
    }
    let mut worker = rig.worker().await;
    let mut removed = Vec::new();
    for _ in ids {
        let hint = worker.hint().await;
        removed.extend(worker.claim(&hint).await);
    }
    let [job] = removed.as_slice() else { panic!("not one: {removed:?}") };
    assert!(worker.done(job).await);
    for id in jobs {
        rig.wait_for_state(id, JobState::Succeeded).await;
    }
    assert!(rig.backup_is_gone(first.id).await && rig.backup_is_gone(second.id).await);
    assert_eq!(rows::usage(&rig.database).await, [0; 5]);
}

pub(crate) async fn a_reset_deletion_takes_no_row(ground: Ground) {
    let rig = ground.start();
    let known = made();
    let deleted = put(&rig, &known, BackupStatus::Available).await;
    put(&rig, &known, BackupStatus::Available).await;
    let id = rig.enqueue(Subject::BackupDelete { backup_id: deleted.id }).await;
    let mut worker = rig.worker().await;
    let hint = worker.hint().await;
    assert!(worker.claim(&hint).await.is_none());
    rig.wait_for_state(id, JobState::Failed).await;
    assert_eq!(rig.backup(deleted.id).await.status, BackupStatus::Available);
}
