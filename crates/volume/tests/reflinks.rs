//! `DirectoryPool` on file systems with reflinks: what it shares, and what it tells of changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod real {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use domain::{SnapshotId, VolumeId};
    use proptest::prelude::*;
    use volume::{BlockDevice, Changes, DirectoryPool, Original, Pool, PoolConfig, suite};

    const MIB: u64 = 1 << 20;

    /// One pool on each file system that the tests were given.
    fn pools(keep_clones: bool) -> Vec<(tempfile::TempDir, DirectoryPool)> {
        let folders = std::env::var("EMBERKEEP_TEST_REFLINK_DIRS").expect("folders on file systems with reflinks");
        let open = |folder: &str| {
            let directory = tempfile::tempdir_in(PathBuf::from(folder)).unwrap();
            let config = PoolConfig { keep_clones, ..PoolConfig::new("pool", directory.path()) };
            let pool = DirectoryPool::open(&config).unwrap();
            (directory, pool)
        };
        folders.split(':').map(open).collect()
    }

    /// The two states of a volume that is frozen, changed and frozen again.
    struct States {
        base: Arc<dyn BlockDevice>,
        copy: Arc<dyn BlockDevice>,
        changes: Arc<dyn Changes>,
    }

    fn states(pool: &DirectoryPool, volume: VolumeId, change: impl FnOnce(&dyn BlockDevice)) -> States {
        pool.freeze(Original::Volume(volume), "base").unwrap();
        change(&*pool.open_volume(volume).unwrap());
        pool.freeze(Original::Volume(volume), "copy").unwrap();
        let [base, copy] = ["base", "copy"].map(|name| pool.open_frozen(name).unwrap());
        let changes = pool.changes("base", "copy").unwrap().expect("it can tell");
        States { base, copy, changes }
    }

    #[test]
    fn passes_the_suite() {
        for (_directory, pool) in pools(true) {
            suite::run(&pool).unwrap();
        }
    }

    #[test]
    fn tells_little_more_than_what_changed() {
        for (_directory, pool) in pools(true) {
            let volume = VolumeId::random();
            pool.create(volume, 64 * MIB).unwrap();
            pool.open_volume(volume).unwrap().write_at(0, &vec![3; 32 << 20]).unwrap();
            assert!(pool.shares(Original::Volume(volume)).unwrap());
            let States { base, copy, changes } = states(&pool, volume, |device| {
                device.write_at(5 * MIB, &vec![4; 1 << 20]).unwrap();
                device.write_at(20 * MIB, b"x").unwrap();
            });
            let told = suite::check_changes(&*changes, &*base, &*copy, 0, 64 * MIB).unwrap();
            assert!(told <= MIB + 65_536, "{told} bytes for one mebibyte and a block");
        }
    }

    #[test]
    fn tells_nothing_where_it_shall_keep_nothing() {
        for (_directory, pool) in pools(false) {
            let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
            pool.create(volume, MIB).unwrap();
            pool.snapshot(volume, snapshot).unwrap();
            for original in [Original::Volume(volume), Original::Snapshot(snapshot)] {
                assert!(!pool.shares(original).unwrap());
            }
            pool.freeze(Original::Volume(volume), "base").unwrap();
            assert!(pool.changes("base", "base").unwrap().is_none());
        }
    }

    /// As with a volume in use: what is written before, during and after each copy.
    #[test]
    fn misses_nothing_of_what_is_written_meanwhile() {
        const SIZE: u64 = 16 * MIB;
        for (_directory, pool) in pools(true) {
            let volume = VolumeId::random();
            pool.create(volume, SIZE).unwrap();
            let device = pool.open_volume(volume).unwrap();
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for seed in 1..=2u64 {
                    let (device, done) = (&device, &done);
                    scope.spawn(move || {
                        let mut state = seed;
                        while !done.load(Ordering::Relaxed) {
                            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                            let at = (state >> 20) % (SIZE / 4096) * 4096;
                            match state % 16 {
                                0 => device.zero(at, 4096).unwrap(),
                                1 => device.sync().unwrap(),
                                _ => device.write_at(at, &state.to_le_bytes().repeat(512)).unwrap(),
                            }
                        }
                    });
                }
                let names: Vec<String> = (0..12).map(|number| format!("copy-{number}")).collect();
                let frozen = names.iter().try_for_each(|name| pool.freeze(Original::Volume(volume), name));
                done.store(true, Ordering::Relaxed);
                frozen.unwrap();
                for pair in names.windows(2) {
                    let [base, copy] = [0, 1].map(|at| pool.open_frozen(&pair[at]).unwrap());
                    let changes = pool.changes(&pair[0], &pair[1]).unwrap().expect("it can tell");
                    suite::check_changes(&*changes, &*base, &*copy, 0, SIZE).unwrap();
                }
            });
        }
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Write {
            at: u64,
            length: usize,
            byte: u8,
        },
        Zero {
            at: u64,
            length: u64,
        },
        /// Room for bytes that are not written yet.
        Allocate {
            at: u64,
            length: u64,
        },
        Sync,
        Grow {
            by: u64,
        },
    }

    const SIZE: u64 = 3 * MIB;

    fn edit() -> impl Strategy<Value = Edit> {
        let (at, length) = (0..SIZE, prop_oneof![1..300_000u64, 1..5000u64]);
        prop_oneof![
            4 => (at.clone(), length.clone(), 1..=255u8)
                .prop_map(|(at, length, byte)| Edit::Write { at, length: length.min(SIZE - at) as usize, byte }),
            2 => (at.clone(), length.clone())
                .prop_map(|(at, length)| Edit::Zero { at, length: length.min(SIZE - at) }),
            2 => (at, length).prop_map(|(at, length)| Edit::Allocate { at, length: length.min(SIZE - at) }),
            1 => Just(Edit::Sync),
            1 => (1..100_000u64).prop_map(|by| Edit::Grow { by }),
        ]
    }

    fn apply(pool: &DirectoryPool, volume: VolumeId, edits: &[Edit]) {
        for edit in edits {
            let device = pool.open_volume(volume).unwrap();
            match *edit {
                Edit::Write { at, length, byte } => device.write_at(at, &vec![byte; length]).unwrap(),
                Edit::Zero { at, length } => device.zero(at, length).unwrap(),
                Edit::Allocate { at, length } => {
                    let file = std::fs::File::options().write(true).open(pool.path(volume)).unwrap();
                    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), at, length).unwrap();
                }
                Edit::Sync => device.sync().unwrap(),
                Edit::Grow { by } => pool.extend(volume, device.size_bytes() + by).unwrap(),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn never_misses_a_change(
            before in prop::collection::vec(edit(), 0..8),
            after in prop::collection::vec(edit(), 0..8),
            window in (0..SIZE, 0..SIZE),
        ) {
            for (_directory, pool) in pools(true) {
                let volume = VolumeId::random();
                pool.create(volume, SIZE).unwrap();
                apply(&pool, volume, &before);
                let States { base, copy, changes } = states(&pool, volume, |_| apply(&pool, volume, &after));
                let size = copy.size_bytes();
                suite::check_changes(&*changes, &*base, &*copy, 0, size).unwrap();
                suite::check_changes(&*changes, &*base, &*copy, window.0, window.1.min(size - window.0)).unwrap();
            }
        }
    }
}
