//! On pools that share bytes: the copy that each backup leaves for the next one.

mod real {
    use std::collections::BTreeSet;

    use domain::{BackupId, JobId, SnapshotId, VolumeId};
    use proto::worker::job::Work;
    use proto::worker::{self as wire};
    use storage::layers::{Fault, Faults, Operation, Rule};
    use volume::{Original, suite};

    use crate::rig::{GIB, POOL, Rig, backup, done, failed, stored, volume};

    const MIB: usize = 1 << 20;
    /// What the volume of these tests holds.
    const DATA_BYTES: usize = 96 * MIB;

    /// One worker per file system that the tests were given.
    async fn rigs() -> Vec<Rig> {
        let folders = std::env::var("EMBERKEEP_TEST_REFLINK_DIRS").expect("folders on file systems with reflinks");
        let mut rigs = Vec::new();
        for folder in folders.split(':') {
            let directory = tempfile::tempdir_in(folder).expect("a directory");
            rigs.push(Rig::inside(directory, |store| store, |broker, _| broker).await);
        }
        rigs
    }

    async fn filled(rig: &mut Rig) -> VolumeId {
        let id = VolumeId::random();
        done(rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(id, 1)), source: None })).await);
        write(rig, id, 0, &noise(DATA_BYTES, 1));
        assert!(rig.pool.shares(Original::Volume(id)).expect("an answer"), "no reflinks here");
        id
    }

    fn write(rig: &Rig, id: VolumeId, offset: u64, bytes: &[u8]) {
        rig.pool.open_volume(id).expect("open").write_at(offset, bytes).expect("written");
    }

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    /// What this process has read so far, by whatever call.
    fn read_so_far() -> usize {
        let text = std::fs::read_to_string("/proc/self/io").expect("the kernel counts");
        let line = text.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("what was read");
        line.parse().expect("a number")
    }

    fn create(row: &wire::Backup, id: VolumeId, parent: Option<&wire::Backup>, snapshot: Option<SnapshotId>) -> Work {
        let snapshot = snapshot.map(|snapshot| wire::Snapshot {
            id: snapshot.to_string(),
            volume_id: id.to_string(),
            pool: POOL.to_owned(),
        });
        Work::CreateBackup(wire::CreateBackup {
            backup: Some(wire::Backup { parent_id: parent.map(|parent| parent.id.clone()), ..row.clone() }),
            volume: Some(volume(id, 1)),
            parent: parent.cloned(),
            snapshot,
            ..wire::CreateBackup::default()
        })
    }

    /// Backs up, and answers the row and how much was read meanwhile.
    async fn back_up(
        rig: &mut Rig,
        id: VolumeId,
        parent: Option<&wire::Backup>,
        snapshot: Option<SnapshotId>,
    ) -> (wire::Backup, usize) {
        // The next backup's place is its own.
        *rig.script.place.lock().expect("a lock") = None;
        let row = backup(BackupId::random(), id);
        let before = read_so_far();
        done(rig.perform(create(&row, id, parent, snapshot)).await);
        (stored(rig, &row), read_so_far() - before)
    }

    fn copies(rig: &Rig) -> BTreeSet<String> {
        rig.pool.frozen().expect("listed").into_iter().collect()
    }

    /// The scheduler says that nobody needs the backup's copy any more, and that one alone goes.
    async fn unneeded(rig: &mut Rig, id: VolumeId, gone: &wire::Backup, left: &wire::Backup) {
        rig.script.gone_backups.lock().expect("a lock").push(gone.id.clone());
        let other = VolumeId::random();
        done(
            rig.perform(Work::CreateVolume(wire::CreateVolume { volume: Some(volume(other, 1)), source: None })).await,
        );
        rig.pool.delete(other).expect("removed");
        let (pool, left) = (std::sync::Arc::clone(&rig.pool), only(id, left));
        rig.until("the copy is gone", move |_| pool.frozen().expect("listed").into_iter().eq(left.iter().cloned()))
            .await;
    }

    fn only(id: VolumeId, backup: &wire::Backup) -> BTreeSet<String> {
        BTreeSet::from([format!("{id}.{}", backup.id)])
    }

    async fn assert_restores(rig: &mut Rig, chain: &[&wire::Backup], expected: &[u8]) {
        let new = VolumeId::random();
        let chain = chain.iter().map(|backup| (*backup).clone()).collect();
        let restore = wire::RestoreBackup { chain, volume: Some(volume(new, 1)), new_volume: true };
        done(rig.perform(Work::RestoreBackup(restore)).await);
        let device = rig.pool.open_volume(new).expect("open");
        assert!(suite::content(&*device).expect("read") == expected, "the restored volume differs");
        rig.pool.delete(new).expect("removed");
    }

    #[tokio::test]
    async fn the_next_backup_reads_what_changed() {
        for mut rig in rigs().await {
            let id = filled(&mut rig).await;
            let (full, read) = back_up(&mut rig, id, None, None).await;
            assert!(read >= DATA_BYTES, "{read}");
            assert_eq!(copies(&rig), only(id, &full));

            write(&rig, id, 40 << 20, &noise(MIB, 2));
            write(&rig, id, GIB - 4096, b"was a hole");
            let expected = suite::content(&*rig.pool.open_volume(id).expect("open")).expect("read");
            let (second, read) = back_up(&mut rig, id, Some(&full), None).await;
            assert!(read < DATA_BYTES / 2, "{read} bytes were read for one mebibyte");
            assert_restores(&mut rig, &[&full, &second], &expected).await;
            unneeded(&mut rig, id, &full, &second).await;

            let kept = SnapshotId::random();
            write(&rig, id, 50 << 20, &noise(MIB, 3));
            rig.pool.snapshot(id, kept).expect("a snapshot");
            let expected = suite::content(&*rig.pool.open_snapshot(kept).expect("open")).expect("read");
            write(&rig, id, 50 << 20, &noise(MIB, 4));
            let (third, read) = back_up(&mut rig, id, Some(&second), Some(kept)).await;
            assert!(read < DATA_BYTES / 2, "{read} bytes were read for one mebibyte");
            assert_restores(&mut rig, &[&full, &second, &third], &expected).await;
            unneeded(&mut rig, id, &second, &third).await;

            let (_, read) = back_up(&mut rig, id, Some(&second), None).await;
            assert!(read >= DATA_BYTES, "another parent than the copy's: {read}");
        }
    }

    #[tokio::test]
    async fn copies_go_with_their_volume_and_their_backup() {
        for mut rig in rigs().await {
            for keep_data in [false, true] {
                let id = filled(&mut rig).await;
                back_up(&mut rig, id, None, None).await;
                let delete = wire::DeleteVolume { volume: Some(volume(id, 1)), keep_data, ..Default::default() };
                rig.perform_twice(Work::DeleteVolume(delete)).await;
                assert_eq!(copies(&rig), BTreeSet::new(), "keep_data: {keep_data}");
            }
            let id = filled(&mut rig).await;
            let (full, _) = back_up(&mut rig, id, None, None).await;
            rig.perform_twice(Work::DeleteBackup(wire::DeleteBackup { backup: Some(full) })).await;
            assert_eq!(copies(&rig), BTreeSet::new());
        }
    }

    #[tokio::test]
    async fn a_backup_that_fails_leaves_the_last_one_s_copy() {
        let folders = std::env::var("EMBERKEEP_TEST_REFLINK_DIRS").expect("folders on file systems with reflinks");
        let directory = tempfile::tempdir_in(folders.split(':').next().expect("a folder")).expect("a directory");
        let mut faults = None;
        let wrap = |store| {
            let faulty = std::sync::Arc::new(Faults::new(store));
            faults = Some(std::sync::Arc::clone(&faulty));
            faulty as _
        };
        let mut rig = Rig::inside(directory, wrap, |broker, _| broker).await;
        let faults = faults.expect("a store");
        let id = filled(&mut rig).await;
        let (full, _) = back_up(&mut rig, id, None, None).await;
        write(&rig, id, 0, b"later");
        *rig.script.place.lock().expect("a lock") = None;
        let child = backup(BackupId::random(), id);
        let fault = Fault::FailAfterwards(domain::Kind::Unavailable);
        faults.inject(Rule::new(Operation::Put, 1, fault).on("_metadata"));
        let job = JobId::random();
        rig.give(job, 2, 1, create(&child, id, Some(&full), None)).await;
        failed(rig.finish().await.outcome.expect("an outcome"));
        // What the next attempt reads as well.
        assert_eq!(copies(&rig), &only(id, &full) | &only(id, &child));
        faults.heal();
        let before = read_so_far();
        rig.give(job, 4, 2, create(&child, id, Some(&full), None)).await;
        done(rig.finish().await.outcome.expect("an outcome"));
        assert!(read_so_far() - before < DATA_BYTES / 2);
        assert_eq!(copies(&rig), &only(id, &full) | &only(id, &child), "the scheduler says which one goes");
    }
}
