//! Every kind of job, and each of them twice: the second worker finds what the first one left.

use domain::ids::GroupSnapshotId;
use domain::{BackupId, SnapshotId, VolumeId};
use proto::worker::job::Work;
use proto::worker::{self as wire, create_volume};

use crate::rig::{GIB, OTHER, POOL, Rig, backup, create_backup, done, failed, stored, volume};

fn empty(id: VolumeId) -> Work {
    Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })
}

fn snapshot(id: SnapshotId, of: VolumeId) -> wire::Snapshot {
    wire::Snapshot { id: id.to_string(), volume_id: of.to_string(), pool: POOL.to_owned() }
}

fn write(rig: &Rig, id: VolumeId, offset: u64, text: &[u8]) {
    rig.pool.open_volume(id).expect("open").write_at(offset, text).expect("written");
}

fn read(rig: &Rig, id: VolumeId, offset: u64) -> Vec<u8> {
    let mut bytes = vec![0; 5];
    rig.pool.open_volume(id).expect("open").read_at(offset, &mut bytes).expect("read");
    bytes
}

fn size(rig: &Rig, id: VolumeId) -> u64 {
    rig.pool.open_volume(id).expect("open").size_bytes()
}

#[tokio::test]
async fn volumes_are_made_grown_copied_and_removed() {
    let mut rig = Rig::new().await;
    let [id, copy, of_snapshot] = [(); 3].map(|()| VolumeId::random());
    let kept = SnapshotId::random();
    rig.perform_twice(empty(id)).await;
    write(&rig, id, 4096, b"hello");
    done(rig.perform(empty(id)).await);
    assert_eq!(read(&rig, id, 4096), b"hello", "whoever makes it late empties nothing");
    let part = Some(volume(id, 1));
    rig.perform_twice(Work::ExtendVolume(wire::ExtendVolume { volume: part.clone(), new_size_gb: 2 })).await;
    assert_eq!((size(&rig, id), read(&rig, id, 4096)), (2 * GIB, b"hello".to_vec()));

    let create = wire::CreateSnapshot { snapshot: Some(snapshot(kept, id)), volume: part.clone() };
    rig.perform_twice(Work::CreateSnapshot(create)).await;
    write(&rig, id, 4096, b"later");
    let sources = [
        (copy, create_volume::Source::SourceVolume(volume(id, 2)), b"later"),
        (of_snapshot, create_volume::Source::Snapshot(snapshot(kept, id)), b"hello"),
    ];
    for (new, source, content) in sources {
        let work = wire::CreateVolume { volume: Some(volume(new, 3)), source: Some(source) };
        rig.perform_twice(Work::CreateVolume(work)).await;
        assert_eq!((size(&rig, new), read(&rig, new, 4096)), (3 * GIB, content.to_vec()));
    }
    let delete = wire::DeleteSnapshot { snapshot: Some(snapshot(kept, id)), keep_data: false, group_snapshot_id: None };
    rig.perform_twice(Work::DeleteSnapshot(delete)).await;
    assert!(rig.pool.open_snapshot(kept).is_err());
    for id in [id, copy, of_snapshot] {
        let delete = wire::DeleteVolume { volume: Some(volume(id, 1)), ..wire::DeleteVolume::default() };
        rig.perform_twice(Work::DeleteVolume(delete)).await;
        assert!(rig.pool.open_volume(id).is_err());
    }
}

#[tokio::test]
async fn a_group_is_snapshotted_together_and_cleared_one_by_one() {
    let mut rig = Rig::new().await;
    let parts = [(); 2].map(|()| (VolumeId::random(), SnapshotId::random()));
    for (id, _) in parts {
        done(rig.perform(empty(id)).await);
        write(&rig, id, 4096, b"hello");
    }
    let whole = GroupSnapshotId::random().to_string();
    let part = |(id, kept)| wire::CreateSnapshot { snapshot: Some(snapshot(kept, id)), volume: Some(volume(id, 1)) };
    let create =
        wire::CreateGroupSnapshot { id: whole.clone(), snapshots: parts.map(part).to_vec(), one_instant: true };
    rig.perform_twice(Work::CreateGroupSnapshot(create.clone())).await;
    for (id, kept) in parts {
        assert_eq!(rig.pool.open_snapshot(kept).expect("a snapshot").size_bytes(), GIB);
        let delete = wire::DeleteSnapshot {
            snapshot: Some(snapshot(kept, id)),
            keep_data: false,
            group_snapshot_id: Some(whole.clone()),
        };
        rig.perform_twice(Work::DeleteSnapshot(delete)).await;
        assert!(rig.pool.open_snapshot(kept).is_err());
    }
    let mut scattered = create;
    scattered.snapshots[0].volume = Some(wire::Volume { pool: "p2".to_owned(), ..volume(parts[0].0, 1) });
    assert_eq!(failed(rig.perform(Work::CreateGroupSnapshot(scattered)).await).kind, "invalid");
}

#[tokio::test]
async fn a_volume_goes_to_another_pool_and_its_source_stays() {
    let mut rig = Rig::new().await;
    let (id, copy) = (VolumeId::random(), VolumeId::random());
    done(rig.perform(empty(id)).await);
    write(&rig, id, 300 << 20, b"hello");
    let to = wire::Volume { pool: OTHER.to_owned(), ..volume(copy, 1) };
    let work = Work::MoveVolume(wire::MoveVolume { from: Some(volume(id, 1)), to: Some(to.clone()) });
    rig.perform_twice(work).await;
    let device = rig.other.open_volume(copy).expect("a copy");
    let mut bytes = [0; 5];
    device.read_at(300 << 20, &mut bytes).expect("read");
    assert_eq!((device.size_bytes(), &bytes), (GIB, b"hello"));
    let allocated = device.extents(0, GIB).expect("extents").into_iter();
    let allocated: u64 = allocated.filter(|part| part.kind == volume::ExtentKind::Data).map(|part| part.length).sum();
    assert!(allocated <= 2 << 20, "{allocated} bytes are allocated for five");
    assert_eq!(read(&rig, id, 300 << 20), b"hello");
    done(rig.perform(Work::MoveVolume(wire::MoveVolume { from: Some(volume(id, 1)), to: None })).await);

    let gone = wire::MoveVolume {
        from: Some(volume(VolumeId::random(), 1)),
        to: Some(wire::Volume { id: VolumeId::random().to_string(), ..to }),
    };
    assert_eq!(failed(rig.perform(Work::MoveVolume(gone)).await).kind, "not_found");
}

#[tokio::test]
async fn a_cascade_takes_the_snapshots_an_unmanage_nothing() {
    let mut rig = Rig::new().await;
    let (id, kept) = (VolumeId::random(), SnapshotId::random());
    done(rig.perform(empty(id)).await);
    rig.pool.snapshot(id, kept).expect("a snapshot");
    let part = Some(volume(id, 1));
    let unmanage = wire::DeleteVolume { volume: part.clone(), keep_data: true, snapshots: Vec::new() };
    done(rig.perform(Work::DeleteVolume(unmanage)).await);
    assert!(rig.pool.open_volume(id).is_ok(), "the bytes stay");
    let cascade = wire::DeleteVolume { volume: part, keep_data: false, snapshots: vec![snapshot(kept, id)] };
    rig.perform_twice(Work::DeleteVolume(cascade)).await;
    assert!(rig.pool.open_snapshot(kept).is_err() && rig.pool.open_volume(id).is_err());
}

#[tokio::test]
async fn what_was_never_placed_is_removed_without_a_pool() {
    let mut rig = Rig::new().await;
    let nowhere = wire::Volume { pool: String::new(), ..volume(VolumeId::random(), 1) };
    let delete = wire::DeleteVolume { volume: Some(nowhere), ..wire::DeleteVolume::default() };
    done(rig.perform(Work::DeleteVolume(delete)).await);
    let elsewhere = wire::Volume { pool: "p2".to_owned(), ..volume(VolumeId::random(), 1) };
    let delete = wire::DeleteVolume { volume: Some(elsewhere), ..wire::DeleteVolume::default() };
    let failure = failed(rig.perform(Work::DeleteVolume(delete)).await);
    assert_eq!(failure.kind, "unavailable", "another worker may reach the pool");
    assert!(failure.reason.contains("p2"), "{failure:?}");
}

#[tokio::test]
async fn an_adopted_file_says_its_size() {
    let mut rig = Rig::new().await;
    let source = rig.directory.path().join("images/disk.raw");
    std::fs::File::create(&source).expect("made").set_len(GIB + 1).expect("sized");
    let id = VolumeId::random();
    let source = source.display().to_string();
    let manage = wire::ManageVolume { volume: Some(volume(id, 0)), source, released: false };
    let results = rig.perform_twice(Work::ManageVolume(manage)).await;
    assert_eq!(results.map(|done| done.size_gb), [2, 2], "rounded up");
    let forbidden = wire::ManageVolume {
        volume: Some(volume(VolumeId::random(), 0)),
        source: "/etc/passwd".to_owned(),
        released: false,
    };
    assert_ne!(failed(rig.perform(Work::ManageVolume(forbidden)).await).kind, "internal");
}

#[tokio::test]
async fn an_adopted_snapshot_is_no_larger_than_its_volume_and_an_unmanaged_one_stays() {
    let mut rig = Rig::new().await;
    let (id, kept) = (VolumeId::random(), SnapshotId::random());
    done(rig.perform(empty(id)).await);
    let source = rig.directory.path().join("images/snapshot.raw");
    std::fs::File::create(&source).expect("made").set_len(GIB - 1).expect("sized");
    let manage = |id: SnapshotId, size_gb| wire::ManageSnapshot {
        snapshot: Some(snapshot(id, VolumeId::random())),
        volume: Some(volume(VolumeId::random(), size_gb)),
        source: source.display().to_string(),
        released: false,
    };
    assert_eq!(failed(rig.perform(Work::ManageSnapshot(manage(kept, 0))).await).kind, "invalid");
    let results = rig.perform_twice(Work::ManageSnapshot(manage(kept, 1))).await;
    assert_eq!(results.map(|done| done.size_gb), [1, 1], "rounded up");
    let unmanage =
        wire::DeleteSnapshot { snapshot: Some(snapshot(kept, id)), keep_data: true, group_snapshot_id: None };
    rig.perform_twice(Work::DeleteSnapshot(unmanage)).await;
    assert!(rig.pool.open_snapshot(kept).is_ok(), "the bytes stay");
    let again =
        wire::ManageSnapshot { source: format!("snapshot-{kept}"), released: true, ..manage(SnapshotId::random(), 1) };
    rig.perform_twice(Work::ManageSnapshot(again)).await;
    assert!(rig.pool.open_snapshot(kept).is_err());
}

#[tokio::test]
async fn a_reverted_volume_holds_what_its_snapshot_holds() {
    let mut rig = Rig::new().await;
    let (id, kept) = (VolumeId::random(), SnapshotId::random());
    done(rig.perform(empty(id)).await);
    write(&rig, id, 4096, b"hello");
    rig.pool.snapshot(id, kept).expect("a snapshot");
    write(&rig, id, 4096, b"later");
    let revert = wire::RevertVolume { volume: Some(volume(id, 1)), snapshot: Some(snapshot(kept, id)) };
    rig.perform_twice(Work::RevertVolume(revert)).await;
    assert_eq!((size(&rig, id), read(&rig, id, 4096)), (GIB, b"hello".to_vec()));
    let missing =
        wire::RevertVolume { volume: Some(volume(id, 1)), snapshot: Some(snapshot(SnapshotId::random(), id)) };
    assert_eq!(failed(rig.perform(Work::RevertVolume(missing)).await).kind, "not_found");
    assert_eq!(read(&rig, id, 4096), b"hello");
}

#[tokio::test]
async fn the_scheduler_hears_what_the_pool_holds() {
    let mut rig = Rig::new().await;
    let id = VolumeId::random();
    done(rig.perform(empty(id)).await);
    std::fs::write(rig.directory.path().join("pool/copied-in.raw"), b"12345").expect("written");
    let expected = ["copied-in.raw".to_owned(), format!("volume-{id}")];
    rig.until("both files are told of", |script| {
        let stored = script.stored.lock().expect("a lock");
        let names = stored.iter().flat_map(|report| report.files.iter().map(|file| file.name.clone()));
        names.eq(expected.iter().cloned())
    })
    .await;
}

#[tokio::test]
async fn frozen_copies_of_lost_backups_go() {
    let mut rig = Rig::new().await;
    let (id, lost, running) = (VolumeId::random(), BackupId::random(), BackupId::random());
    rig.script.gone_backups.lock().expect("a lock").push(lost.to_string());
    done(rig.perform(empty(id)).await);
    for name in [format!("{id}.{lost}"), format!("{id}.{running}"), "somebody-elses".to_owned()] {
        rig.pool.freeze(volume::Original::Volume(id), &name).expect("frozen");
    }
    done(rig.perform(empty(VolumeId::random())).await);
    let pool = std::sync::Arc::clone(&rig.pool);
    rig.until("one of them is gone", move |_| pool.frozen().expect("listed").len() == 2).await;
    assert!(!rig.pool.frozen().expect("listed").contains(&format!("{id}.{lost}")));
}

#[tokio::test]
async fn a_backup_is_taken_restored_and_removed() {
    let mut rig = Rig::new().await;
    let [id, target, new] = [(); 3].map(|()| VolumeId::random());
    for id in [id, target] {
        done(rig.perform(empty(id)).await);
    }
    write(&rig, id, 70 << 20, b"hello");
    write(&rig, target, 4096, b"stale");
    let full = backup(BackupId::random(), id);
    let results = rig.perform_twice(create_backup(full.clone(), volume(id, 1), true)).await;
    assert_eq!(results.map(|done| done.object_count), [8, 8], "one object per 64 MiB, or 192 MiB of nothing");
    let full = stored(&rig, &full);
    let container = full.container.clone().expect("a container");
    assert_eq!(rig.object_names(&container).await.len(), 10, "the first attempt's leftovers are gone");
    assert_eq!(rig.pool.frozen().expect("listed").len(), 1, "the copy stays until the scheduler says that it may go");
    assert_eq!(container, format::names::posix_container(full.id.parse().expect("an id")));

    for (volume_id, new_volume) in [(target, false), (new, true)] {
        let restore = wire::RestoreBackup { chain: vec![full.clone()], volume: Some(volume(volume_id, 1)), new_volume };
        rig.perform_twice(Work::RestoreBackup(restore)).await;
        assert_eq!(read(&rig, volume_id, 70 << 20), b"hello");
        assert_eq!(read(&rig, volume_id, 4096), [0; 5]);
    }
    rig.perform_twice(Work::DeleteBackup(wire::DeleteBackup { backup: Some(full) })).await;
    assert!(rig.object_names(&container).await.is_empty());
}

#[tokio::test]
async fn another_driver_s_backup_is_left_alone() {
    let mut rig = Rig::new().await;
    let id = VolumeId::random();
    let foreign = wire::Backup {
        container: Some("c".to_owned()),
        prefix: Some("p".to_owned()),
        service: Some("cinder.backup.drivers.ceph.CephBackupDriver".to_owned()),
        ..backup(BackupId::random(), id)
    };
    let failure = failed(rig.perform(Work::DeleteBackup(wire::DeleteBackup { backup: Some(foreign) })).await);
    assert_eq!(failure.kind, "invalid");
    assert!(failure.reason.starts_with("Delete backup aborted"), "{failure:?}");
    let unbegun = backup(BackupId::random(), id);
    rig.perform_twice(Work::DeleteBackup(wire::DeleteBackup { backup: Some(unbegun) })).await;
}
