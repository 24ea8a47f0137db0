//! `DirectoryPool` against the pool suite, a model, and callers who should not be trusted.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use domain::{Kind, SnapshotId, VolumeId};
use proptest::prelude::*;
use volume::{DirectoryPool, Original, Pool, PoolConfig, suite};

fn pool_at(path: &Path, manage_paths: &[&Path]) -> DirectoryPool {
    let manage_paths = manage_paths.iter().map(|path| (*path).to_owned()).collect();
    DirectoryPool::open(&PoolConfig { manage_paths, ..PoolConfig::new("pool", path) }).unwrap()
}

#[test]
fn passes_the_suite() {
    let directory = tempfile::tempdir().unwrap();
    suite::run(&pool_at(directory.path(), &[])).unwrap();
}

#[test]
fn leaves_no_temporary_files() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool_at(directory.path(), &[]);
    let volume = VolumeId::random();
    fs::write(directory.path().join(format!(".volume-{volume}.dead-attempt.tmp")), b"half").unwrap();
    pool.create(volume, 4096).unwrap();
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [format!("volume-{volume}").as_str()]);
}

#[test]
fn copies_stay_sparse() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool_at(directory.path(), &[]);
    let (volume, clone) = (VolumeId::random(), VolumeId::random());
    pool.create(volume, 1 << 30).unwrap();
    pool.open_volume(volume).unwrap().write_at(500 << 20, &[1; 4096]).unwrap();
    pool.clone_volume(volume, clone, 1 << 30).unwrap();
    assert!(fs::metadata(pool.path(clone)).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn frozen_names_cannot_leave_the_pool() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool_at(directory.path(), &[]);
    for name in ["", "../up", "a/b", "nul\0"] {
        assert_eq!(pool.thaw(name).unwrap_err().kind(), Kind::Invalid, "{name:?}");
    }
}

mod adopting {
    use super::*;

    struct Place {
        _directory: tempfile::TempDir,
        managed: std::path::PathBuf,
        outside: std::path::PathBuf,
        pool: DirectoryPool,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let [pool, managed, outside] = ["pool", "managed", "outside"].map(|name| directory.path().join(name));
        for path in [&managed, &outside] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("disk.raw"), vec![9; 8192]).unwrap();
        }
        let pool = pool_at(&pool, &[&managed]);
        Place { _directory: directory, managed, outside, pool }
    }

    fn text(path: &Path) -> &str {
        path.to_str().unwrap()
    }

    #[test]
    fn takes_a_managed_file_once() {
        let place = place();
        let (source, volume) = (place.managed.join("disk.raw"), VolumeId::random());
        for _ in 0..2 {
            assert_eq!(place.pool.adopt(text(&source), false, volume).unwrap(), 8192);
        }
        assert!(!source.exists());
        assert_eq!(suite::content(&*place.pool.open_volume(volume).unwrap()).unwrap(), vec![9; 8192]);
    }

    #[test]
    fn takes_a_file_of_its_own_directory_by_bare_name() {
        let place = place();
        let volume = VolumeId::random();
        let directory = place.pool.path(volume).parent().unwrap().to_owned();
        fs::write(directory.join("copied-in.raw"), b"12345").unwrap();
        assert_eq!(place.pool.adopt("copied-in.raw", false, volume).unwrap(), 5);
    }

    #[test]
    fn refuses_what_lies_outside() {
        let place = place();
        symlink(&place.outside, place.managed.join("escape")).unwrap();
        symlink(place.outside.join("disk.raw"), place.managed.join("link.raw")).unwrap();
        let sources = [
            place.outside.join("disk.raw"),
            place.managed.join("../outside/disk.raw"),
            place.managed.join("escape/disk.raw"),
            place.managed.join("link.raw"),
            place.managed.join("missing.raw"),
            place.managed.clone(),
            "/dev/null".into(),
            "nul\0".into(),
        ];
        for source in sources {
            let error = place.pool.adopt(text(&source), false, VolumeId::random()).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{}", source.display());
        }
        assert!(place.outside.join("disk.raw").exists());
    }

    #[test]
    fn refuses_files_of_pools_and_hard_links() {
        let place = place();
        let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
        place.pool.create(volume, 4096).unwrap();
        place.pool.snapshot(volume, snapshot).unwrap();
        place.pool.freeze(Original::Volume(volume), "b").unwrap();
        fs::write(place.managed.join(format!("volume-{volume}")), b"another pool's").unwrap();
        fs::hard_link(place.managed.join("disk.raw"), place.managed.join("second-name.raw")).unwrap();
        let sources = [
            format!("volume-{volume}"),
            format!("snapshot-{snapshot}"),
            "frozen-b".to_owned(),
            format!("{}/volume-{volume}", place.managed.display()),
            format!("{}/disk.raw", place.managed.display()),
        ];
        for source in sources {
            let error = place.pool.adopt(&source, false, VolumeId::random()).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{source}");
        }
    }

    #[test]
    fn takes_back_what_was_released_and_nothing_else() {
        let place = place();
        let [live, released, new] = [(); 3].map(|()| VolumeId::random());
        let (old, kept) = (SnapshotId::random(), SnapshotId::random());
        place.pool.create(live, 4096).unwrap();
        place.pool.create(released, 8192).unwrap();
        place.pool.snapshot(released, old).unwrap();
        let directory = place.pool.path(live).parent().unwrap().to_owned();
        // A link that bears a free name leads to a file that does not.
        let bait = VolumeId::random();
        symlink(directory.join(format!("volume-{live}")), directory.join(format!("volume-{bait}"))).unwrap();
        let elsewhere = place.managed.join(format!("volume-{released}"));
        fs::write(&elsewhere, b"another pool's").unwrap();
        for source in [format!("volume-{bait}"), text(&elsewhere).to_owned(), "frozen-x".to_owned()] {
            let error = place.pool.adopt(&source, true, VolumeId::random()).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{source}");
        }
        for _ in 0..2 {
            assert_eq!(place.pool.adopt(&format!("volume-{released}"), true, new).unwrap(), 8192);
            let source = format!("snapshot-{old}");
            assert_eq!(place.pool.adopt_snapshot(&source, true, kept, 8192).unwrap(), 8192);
        }
        assert!(!place.pool.path(released).exists() && place.pool.path(live).exists());
    }

    #[test]
    fn a_snapshot_is_no_larger_than_its_volume() {
        let place = place();
        let source = place.managed.join("disk.raw");
        let error = place.pool.adopt_snapshot(text(&source), false, SnapshotId::random(), 4096).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(source.exists());
    }

    #[test]
    fn tells_what_is_stored() {
        let place = place();
        let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
        place.pool.create(volume, 4096).unwrap();
        place.pool.snapshot(volume, snapshot).unwrap();
        place.pool.freeze(Original::Volume(volume), "b").unwrap();
        let directory = place.pool.path(volume).parent().unwrap().to_owned();
        fs::write(directory.join("copied-in.raw"), b"12345").unwrap();
        fs::hard_link(directory.join("copied-in.raw"), place.outside.join("second-name")).unwrap();
        fs::create_dir(place.managed.join("folder")).unwrap();
        let mut stored = place.pool.stored().unwrap();
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        let brief: Vec<_> = stored.iter().map(|it| (it.name.clone(), it.size_bytes, it.refusal.is_some())).collect();
        let mut expected = vec![
            (text(&place.managed.join("disk.raw")).to_owned(), 8192, false),
            ("copied-in.raw".to_owned(), 5, true),
            (format!("snapshot-{snapshot}"), 4096, false),
            (format!("volume-{volume}"), 4096, false),
        ];
        expected.sort();
        assert_eq!(brief, expected);
    }

    #[test]
    fn keeps_a_volume_that_has_its_bytes() {
        let place = place();
        let volume = VolumeId::random();
        place.pool.create(volume, 4096).unwrap();
        let error = place.pool.adopt(text(&place.managed.join("disk.raw")), false, volume).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(place.managed.join("disk.raw").exists());
    }

    #[test]
    fn a_link_in_the_pool_to_a_plain_file_is_not_followed() {
        let place = place();
        let volume = VolumeId::random();
        symlink(place.outside.join("disk.raw"), place.pool.path(volume)).unwrap();
        assert!(place.pool.open_volume(volume).is_err());
    }
}

/// One step of the model test; ranges are cut to the volume.
#[derive(Clone, Debug)]
enum Step {
    Write { offset: usize, length: usize, byte: u8 },
    Zero { offset: usize, length: usize },
    Extend { by: usize },
    Snapshot,
    DeleteSnapshot,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (0..300_000usize, 0..150_000usize);
    prop::collection::vec(
        prop_oneof![
            4 => (range.clone(), any::<u8>()).prop_map(|((offset, length), byte)| Step::Write { offset, length, byte }),
            3 => range.prop_map(|(offset, length)| Step::Zero { offset, length }),
            1 => (0..70_000usize).prop_map(|by| Step::Extend { by }),
            2 => Just(Step::Snapshot),
            1 => Just(Step::DeleteSnapshot),
        ],
        1..24,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn behaves_like_a_vector(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let volume = VolumeId::random();
        let mut model = vec![0u8; 200_000];
        let mut snapshots = Vec::new();
        pool.create(volume, model.len() as u64).unwrap();
        for step in steps {
            let clip = |offset: usize, length: usize| {
                let offset = offset.min(model.len());
                offset..(offset + length).min(model.len())
            };
            match step {
                Step::Write { offset, length, byte } => {
                    let range = clip(offset, length);
                    model[range.clone()].fill(byte);
                    pool.open_volume(volume).unwrap().write_at(range.start as u64, &model[range]).unwrap();
                }
                Step::Zero { offset, length } => {
                    let range = clip(offset, length);
                    model[range.clone()].fill(0);
                    pool.open_volume(volume).unwrap().zero(range.start as u64, range.len() as u64).unwrap();
                }
                Step::Extend { by } => {
                    model.resize(model.len() + by, 0);
                    pool.extend(volume, model.len() as u64).unwrap();
                }
                Step::Snapshot => {
                    let snapshot = SnapshotId::random();
                    pool.snapshot(volume, snapshot).unwrap();
                    snapshots.push((snapshot, model.clone()));
                }
                Step::DeleteSnapshot => {
                    if let Some((snapshot, _)) = snapshots.pop() {
                        pool.delete_snapshot(snapshot).unwrap();
                    }
                }
            }
        }
        let device = pool.open_volume(volume).unwrap();
        prop_assert_eq!(&suite::content(&*device).unwrap(), &model);
        suite::check_extents(&*device, 0, model.len() as u64).unwrap();
        pool.delete(volume).unwrap();
        for (snapshot, expected) in snapshots {
            prop_assert_eq!(suite::content(&*pool.open_snapshot(snapshot).unwrap()).unwrap(), expected);
        }
    }
}

#[test]
fn the_backend_is_named_by_the_pool_unless_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let plain = PoolConfig::new("fast", directory.path());
    assert_eq!(plain.check(), Ok(()));
    let pool = DirectoryPool::open(&plain).unwrap();
    assert_eq!(*pool.backend(), domain::placement::Backend::of_pool("fast"));
    let named =
        PoolConfig { volume_backend_name: Some("gold".into()), storage_protocol: "nfs".into(), ..plain.clone() };
    let pool = DirectoryPool::open(&named).unwrap();
    assert_eq!(pool.backend().service_host("h"), "h@gold");
    assert_eq!(pool.backend().storage_protocol, "nfs");
    let wrong = PoolConfig { volume_backend_name: Some("a@b".into()), ..plain.clone() };
    assert_eq!(wrong.check().unwrap_err().0, "volume_backend_name");
    let wrong = PoolConfig { vendor_name: " ".into(), ..plain };
    assert_eq!(wrong.check().unwrap_err().0, "vendor_name");
}

mod groups {
    use std::sync::atomic::{AtomicBool, Ordering};

    use domain::ids::GroupSnapshotId;

    use super::*;

    fn two_volumes(pool: &DirectoryPool) -> [(VolumeId, SnapshotId); 2] {
        let parts = [(); 2].map(|()| (VolumeId::random(), SnapshotId::random()));
        for (volume, _) in parts {
            pool.create(volume, 8192).unwrap();
            pool.open_volume(volume).unwrap().write_at(0, b"first").unwrap();
        }
        parts
    }

    fn content(pool: &DirectoryPool, snapshot: SnapshotId) -> [u8; 5] {
        let mut bytes = [0; 5];
        pool.open_snapshot(snapshot).unwrap().read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn all_are_taken_once_and_nothing_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let parts = two_volumes(&pool);
        let whole = GroupSnapshotId::random();
        fs::create_dir(directory.path().join(format!(".group-{whole}.dead-attempt.tmp"))).unwrap();
        pool.snapshot_group(whole, &parts, true).unwrap();
        for (volume, snapshot) in parts {
            pool.open_volume(volume).unwrap().write_at(0, b"later").unwrap();
            assert_eq!(&content(&pool, snapshot), b"first");
        }
        pool.snapshot_group(whole, &parts, true).unwrap();
        assert_eq!(&content(&pool, parts[0].1), b"first", "a second attempt finds what the first completed");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "two volumes, two snapshots");
    }

    #[test]
    fn an_attempt_goes_on_with_a_set_that_was_complete() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let parts = two_volumes(&pool);
        let whole = GroupSnapshotId::random();
        let built = directory.path().join(format!("group-{whole}"));
        fs::create_dir(&built).unwrap();
        for (_, snapshot) in parts {
            fs::write(built.join(format!("snapshot-{snapshot}")), b"older").unwrap();
        }
        // The first of them had its name already when the attempt before died.
        let first = format!("snapshot-{}", parts[0].1);
        fs::hard_link(built.join(&first), directory.path().join(&first)).unwrap();
        pool.snapshot_group(whole, &parts, true).unwrap();
        assert_eq!(parts.map(|(_, snapshot)| content(&pool, snapshot)), [*b"older"; 2]);
        assert!(!built.exists());
    }

    #[test]
    fn none_is_there_when_one_cannot_be_taken() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let parts = two_volumes(&pool);
        let missing = [parts[0], (VolumeId::random(), SnapshotId::random())];
        let whole = GroupSnapshotId::random();
        assert_eq!(pool.snapshot_group(whole, &missing, false).unwrap_err().kind(), Kind::NotFound);
        assert!(pool.open_snapshot(parts[0].1).is_err());
        fs::create_dir(directory.path().join(format!("group-{whole}"))).unwrap();
        pool.forget_group(whole).unwrap();
        pool.forget_group(whole).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "the volumes");
    }

    #[test]
    fn one_instant_is_refused_while_a_volume_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let parts = two_volumes(&pool);
        let (end, writing) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let device = pool.open_volume(parts[1].0).unwrap();
                while !end.load(Ordering::Relaxed) {
                    device.write_at(4096, b"again").unwrap();
                    writing.store(true, Ordering::Relaxed);
                }
            });
            while !writing.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            // The writer may have to wait for a processor, and then all is quiet: a set that was taken goes.
            while pool.snapshot_group(GroupSnapshotId::random(), &parts, true).is_ok() {
                parts.iter().for_each(|(_, snapshot)| pool.delete_snapshot(*snapshot).unwrap());
            }
            let taken = pool.snapshot_group(GroupSnapshotId::random(), &parts, false);
            end.store(true, Ordering::Relaxed);
            taken.unwrap();
        });
    }

    #[test]
    fn one_instant_is_refused_where_nobody_can_tell() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_at(directory.path(), &[]);
        let parts = two_volumes(&pool);
        let file = fs::File::options().write(true).open(pool.path(parts[1].0)).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(3600)).unwrap();
        let refusal = pool.snapshot_group(GroupSnapshotId::random(), &parts, true).unwrap_err();
        assert_eq!(refusal.kind(), Kind::Unavailable);
        assert!(refusal.message().contains(&parts[1].0.to_string()), "{refusal}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "the volumes");
    }
}
