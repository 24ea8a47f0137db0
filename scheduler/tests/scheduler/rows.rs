//! Rows as the api leaves them, with the quota they cost.

use db::jobs::NewJob;
use db::{Conn, Database, backups, jobs, quotas, snapshots, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::quota::{Holding, Limits, Resource};
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{BackupId, JobId, SnapshotId, Timestamp, VolumeId};
use messaging::topology;

pub(crate) const PROJECT: &str = "8f7bb1a7f3f84f4e9b5c6a3d2e1f0a9b";
pub(crate) const POOL: &str = "p1";

pub(crate) async fn enqueue(conn: &mut Conn, project: &str, subject: Subject, now: Timestamp) -> JobId {
    let job = NewJob { subject, project_id: project.to_owned(), pool: None, request_id: None, traceparent: None };
    jobs::enqueue(conn, topology::JOBS, &job, now).await.expect("queued")
}

/// A volume of 2 GiB in the pool.
pub(crate) fn volume(status: VolumeStatus) -> Volume {
    Volume {
        id: VolumeId::random(),
        project_id: PROJECT.to_owned(),
        user_id: "u".to_owned(),
        name: Some("data".to_owned()),
        description: None,
        size_gb: 2,
        status,
        previous_status: (status == VolumeStatus::BackingUp).then_some(VolumeStatus::Available),
        attach_status: AttachStatus::Detached,
        migration_status: None,
        availability_zone: "nova".to_owned(),
        volume_type_id: String::new(),
        name_id: None,
        pool: Some(POOL.to_owned()),
        host: Some(format!("h1@{POOL}#{POOL}")),
        snapshot_id: None,
        source_volume_id: None,
        source_backup_id: None,
        group_id: None,
        bootable: false,
        multiattach: false,
        created_at: Timestamp::now(),
        updated_at: None,
        launched_at: None,
    }
}

pub(crate) fn snapshot(of: &Volume, status: SnapshotStatus) -> Snapshot {
    Snapshot {
        id: SnapshotId::random(),
        volume_id: of.id,
        project_id: PROJECT.to_owned(),
        user_id: "u".to_owned(),
        volume_type_id: of.volume_type_id.clone(),
        name: None,
        description: None,
        size_gb: of.size_gb,
        status,
        progress: None,
        group_snapshot_id: None,
        created_at: Timestamp::now(),
        updated_at: None,
    }
}

pub(crate) fn backup(of: &Volume, status: BackupStatus) -> Backup {
    Backup {
        id: BackupId::random(),
        project_id: PROJECT.to_owned(),
        user_id: "u".to_owned(),
        volume_id: of.id,
        snapshot_id: None,
        parent_id: None,
        name: Some("nightly".to_owned()),
        description: None,
        container: None,
        status,
        fail_reason: None,
        size_gb: of.size_gb,
        object_count: 0,
        availability_zone: None,
        host: None,
        service: None,
        service_metadata: None,
        data_timestamp: Timestamp::now(),
        restore_volume_id: None,
        encryption_key_id: None,
        created_at: Timestamp::now(),
        updated_at: None,
        dependent_backups: 0,
    }
}

/// A draft that the database would take.
pub(crate) async fn volume_of_default_type(database: &Database) -> Volume {
    let mut conn = database.read().await.expect("a connection");
    let kind = db::types::find(&mut conn, &db::Scope::All, db::types::DEFAULT_NAME).await;
    let kind = kind.expect("read").expect("a type");
    Volume { volume_type_id: kind.id, ..volume(VolumeStatus::Available) }
}

pub(crate) async fn put_volume(database: &Database, mut volume: Volume) -> Volume {
    volume.volume_type_id = volume_of_default_type(database).await.volume_type_id;
    let mut tx = database.begin("test volume").await.expect("a transaction");
    charge(&mut tx, &volume.holding()).await;
    volumes::insert(&mut tx, &volume).await.expect("inserted");
    tx.commit().await.expect("committed");
    volume
}

pub(crate) async fn put_snapshot(database: &Database, snapshot: Snapshot) -> Snapshot {
    let mut tx = database.begin("test snapshot").await.expect("a transaction");
    charge(&mut tx, &snapshot.holding()).await;
    snapshots::insert(&mut tx, &snapshot).await.expect("inserted");
    tx.commit().await.expect("committed");
    snapshot
}

pub(crate) async fn put_backup(database: &Database, backup: Backup) -> Backup {
    let mut tx = database.begin("test backup").await.expect("a transaction");
    charge(&mut tx, &Holding::backup(backup.size_gb)).await;
    backups::insert(&mut tx, &backup).await.expect("inserted");
    tx.commit().await.expect("committed");
    backup
}

/// By 3 GiB.
pub(crate) fn growth(volume: &Volume) -> Holding {
    Holding::growth(3, 5, &volume.volume_type_id)
}

/// Of the growth that was charged.
pub(crate) fn extend(volume: &Volume, was: VolumeStatus) -> Subject {
    let volume_type_id = volume.volume_type_id.clone();
    Subject::VolumeExtend { volume_id: volume.id, new_size_gb: 5, charged_gb: 3, volume_type_id, was }
}

pub(crate) async fn charge(conn: &mut Conn, holding: &Holding) {
    quotas::charge(conn, PROJECT, &Limits::default(), holding).await.expect("within the quota");
}

/// What the project holds: volumes, gigabytes, snapshots, backups, backup gigabytes. All its volumes are of one type, so that
/// this must hold as much.
pub(crate) async fn usage(database: &Database) -> [i64; 5] {
    let mut conn = database.read().await.expect("a connection");
    let usage = quotas::usage(&mut conn, PROJECT).await.expect("read");
    let order =
        [Resource::Volumes, Resource::Gigabytes, Resource::Snapshots, Resource::Backups, Resource::BackupGigabytes];
    for (counter, in_use) in usage.iter().filter(|(counter, _)| counter.volume_type_id.is_some()) {
        assert_eq!(in_use, usage.plain(counter.resource), "{counter:?}");
    }
    order.map(|wanted| usage.plain(wanted))
}

pub(crate) fn create_backup(backup: &Backup) -> Subject {
    Subject::BackupCreate {
        backup_id: backup.id,
        volume_id: backup.volume_id,
        snapshot_id: backup.snapshot_id,
        freeze: false,
    }
}

/// A backup that is being taken, its volume and its job's subject.
pub(crate) async fn backup_under_way(database: &Database) -> (Volume, Backup, Subject) {
    let volume = put_volume(database, volume(VolumeStatus::BackingUp)).await;
    let backup = put_backup(database, backup(&volume, BackupStatus::Creating)).await;
    let subject = create_backup(&backup);
    (volume, backup, subject)
}
