//! The behaviour every [`Pool`] must show. For tests: each adapter's tests call [`run`] on an empty pool.

use domain::{Kind, Result, SnapshotId, VolumeId};

use crate::port::{BlockDevice, Changes, ExtentKind, Original, Pool};

const MIB: u64 = 1 << 20;

/// Runs every case, each on volumes of its own.
///
/// # Errors
/// Whatever the pool answers where it should have answered `Ok`.
///
/// # Panics
/// When the pool answers `Ok` and is wrong.
pub fn run(pool: &dyn Pool) -> Result<()> {
    new_volumes_read_as_zeros(pool)?;
    writes_are_read_back(pool)?;
    zeroed_ranges_become_zero(pool)?;
    ranges_outside_are_refused(pool)?;
    create_again_keeps(pool)?;
    extend_only_grows(pool)?;
    copies_are_independent(pool)?;
    clones_grow_with_zeros(pool)?;
    imports_are_whole_or_nothing(pool)?;
    copies_outlive_the_volume(pool)?;
    nothing_that_changed_is_missed(pool)?;
    a_revert_is_all_or_nothing(pool)?;
    removing_nothing_is_fine(pool)?;
    missing_things_are_not_found(pool)?;
    let space = pool.space()?;
    assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
    Ok(())
}

/// Checks that what `changes` leaves out of a window is the same in both, and answers how many bytes it does not leave out.
///
/// # Errors
/// What `changes` and the devices answer.
///
/// # Panics
/// When it misses a difference, or the ranges are not as they must be.
pub fn check_changes(
    changes: &dyn Changes,
    base: &dyn BlockDevice,
    copy: &dyn BlockDevice,
    offset: u64,
    length: u64,
) -> Result<u64> {
    let ranges = changes.changed(offset, length)?;
    let inside = |at: u64| (offset..=offset + length).contains(&at);
    assert!(ranges.iter().all(|range| range.start < range.end && inside(range.start) && inside(range.end)));
    assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
    let (base, copy) = (content(base)?, content(copy)?);
    let mut at = offset;
    for range in ranges.iter().cloned().chain(std::iter::once(offset + length..offset + length)) {
        let same = usize::try_from(at).unwrap_or(0)..usize::try_from(range.start).unwrap_or(0);
        assert!(
            same.is_empty() || base.get(same.clone()) == copy.get(same),
            "a difference in {at}..{} was missed",
            range.start
        );
        at = range.end;
    }
    Ok(ranges.iter().map(|range| range.end - range.start).sum())
}

/// The whole content of a device.
///
/// # Errors
/// What `read_at` answers.
pub fn content(device: &dyn BlockDevice) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(device.size_bytes()).unwrap_or(usize::MAX)];
    device.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Checks that the device's extents cover it without gap and that its holes read as zeros.
///
/// # Errors
/// What the device answers.
///
/// # Panics
/// When they do not.
pub fn check_extents(device: &dyn BlockDevice, offset: u64, length: u64) -> Result<()> {
    let mut at = offset;
    for extent in device.extents(offset, length)? {
        assert_eq!(extent.offset, at, "a gap or an overlap");
        assert!(extent.length > 0, "an empty extent");
        if extent.kind == ExtentKind::Hole {
            let mut bytes = vec![1; usize::try_from(extent.length).unwrap_or(usize::MAX)];
            device.read_at(extent.offset, &mut bytes)?;
            assert!(bytes.iter().all(|&byte| byte == 0), "a hole holds data");
        }
        at += extent.length;
    }
    assert_eq!(at, offset + length, "the end is missing");
    Ok(())
}

fn new_volumes_read_as_zeros(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    pool.create(volume, 3 * MIB)?;
    let device = pool.open_volume(volume)?;
    assert_eq!(device.size_bytes(), 3 * MIB);
    assert!(content(&*device)?.iter().all(|&byte| byte == 0));
    check_extents(&*device, 0, 3 * MIB)?;
    check_extents(&*device, 12_345, 1)
}

fn writes_are_read_back(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    pool.create(volume, MIB)?;
    let device = pool.open_volume(volume)?;
    device.write_at(4095, b"across a page")?;
    device.sync()?;
    let mut bytes = [0; 13];
    pool.open_volume(volume)?.read_at(4095, &mut bytes)?;
    assert_eq!(&bytes, b"across a page");
    check_extents(&*device, 0, MIB)
}

fn zeroed_ranges_become_zero(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    pool.create(volume, MIB)?;
    let device = pool.open_volume(volume)?;
    device.write_at(0, &vec![7; 1 << 20])?;
    device.zero(5, 200_000)?;
    device.zero(MIB - 1, 1)?;
    device.zero(17, 0)?;
    let mut expected = vec![7; 1 << 20];
    expected[5..200_005].fill(0);
    expected[(1 << 20) - 1] = 0;
    assert_eq!(content(&*device)?, expected);
    check_extents(&*device, 0, MIB)
}

fn ranges_outside_are_refused(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    pool.create(volume, MIB)?;
    let device = pool.open_volume(volume)?;
    assert!(device.read_at(MIB - 1, &mut [0; 2]).is_err());
    assert!(device.write_at(MIB, b"x").is_err());
    assert!(device.write_at(u64::MAX, b"x").is_err());
    assert!(device.zero(MIB, 1).is_err());
    assert!(device.extents(0, MIB + 1).is_err());
    assert_eq!(pool.open_volume(volume)?.size_bytes(), MIB, "a refused write must not grow the volume");
    Ok(())
}

fn create_again_keeps(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    assert!(pool.create(volume, 2 * MIB)?, "made anew");
    pool.open_volume(volume)?.write_at(2 * MIB - 3, b"old")?;
    for (asked, size) in [(MIB, 2 * MIB), (2 * MIB, 2 * MIB), (3 * MIB, 3 * MIB)] {
        assert!(!pool.create(volume, asked)?, "it was there");
        let bytes = content(&*pool.open_volume(volume)?)?;
        assert_eq!(bytes.len() as u64, size);
        assert_eq!(&bytes[(2 << 20) - 3..2 << 20], b"old");
        assert!(bytes[2 << 20..].iter().all(|&byte| byte == 0));
    }
    Ok(())
}

fn extend_only_grows(pool: &dyn Pool) -> Result<()> {
    let volume = VolumeId::random();
    pool.create(volume, MIB)?;
    pool.open_volume(volume)?.write_at(0, b"kept")?;
    for (asked, size) in [(2 * MIB, 2 * MIB), (2 * MIB, 2 * MIB), (MIB, 2 * MIB)] {
        pool.extend(volume, asked)?;
        assert_eq!(pool.open_volume(volume)?.size_bytes(), size);
    }
    let bytes = content(&*pool.open_volume(volume)?)?;
    assert!(bytes.starts_with(b"kept") && bytes[4..].iter().all(|&byte| byte == 0));
    Ok(())
}

fn copies_are_independent(pool: &dyn Pool) -> Result<()> {
    let (volume, clone, snapshot) = (VolumeId::random(), VolumeId::random(), SnapshotId::random());
    let frozen = format!("backup-{clone}");
    pool.create(volume, MIB)?;
    pool.open_volume(volume)?.write_at(65_536, b"first")?;
    for _ in 0..2 {
        pool.snapshot(volume, snapshot)?;
        pool.freeze(Original::Volume(volume), &frozen)?;
        pool.clone_volume(volume, clone, MIB)?;
        // Later rounds find complete copies and must not take the new content.
        pool.open_volume(volume)?.write_at(65_536, b"later")?;
    }
    for copy in [pool.open_snapshot(snapshot)?, pool.open_frozen(&frozen)?, pool.open_volume(clone)?] {
        assert_eq!(&content(&*copy)?[65_536..65_541], b"first");
        check_extents(&*copy, 0, MIB)?;
    }
    assert!(pool.open_snapshot(snapshot)?.write_at(0, b"no").is_err(), "snapshots are read only");
    assert!(pool.open_frozen(&frozen)?.zero(0, 1).is_err(), "frozen copies are read only");
    pool.open_volume(clone)?.write_at(65_536, b"clone")?;
    assert_eq!(&content(&*pool.open_volume(volume)?)?[65_536..65_541], b"later");
    pool.thaw(&frozen)
}

fn imports_are_whole_or_nothing(pool: &dyn Pool) -> Result<()> {
    let (source, copy) = (VolumeId::random(), VolumeId::random());
    pool.create(source, 3 * MIB)?;
    pool.open_volume(source)?.write_at(65_536, b"first")?;
    pool.open_volume(source)?.write_at(3 * MIB - 3, b"end")?;
    let device = pool.open_volume(source)?;
    let stop = |done| if done > MIB { Err(domain::Error::cancelled()) } else { Ok(()) };
    let stopped = pool.import(&*device, copy, &stop).expect_err("stopped");
    assert_eq!(stopped.kind(), Kind::Cancelled);
    assert_eq!(pool.open_volume(copy).expect_err("nothing").kind(), Kind::NotFound);
    pool.import(&*device, copy, &|_| Ok(()))?;
    let imported = pool.open_volume(copy)?;
    assert_eq!(content(&*imported)?, content(&*device)?);
    check_extents(&*imported, 0, 3 * MIB)?;
    let holes = imported.extents(0, 3 * MIB)?;
    assert!(holes.iter().any(|extent| extent.kind == ExtentKind::Hole), "zeros are not written");
    device.write_at(65_536, b"later")?;
    pool.import(&*device, copy, &|_| Ok(()))?;
    assert_eq!(&content(&*pool.open_volume(copy)?)?[65_536..65_541], b"first", "one that is there is kept");
    Ok(())
}

fn clones_grow_with_zeros(pool: &dyn Pool) -> Result<()> {
    let (volume, clone, snapshot) = (VolumeId::random(), VolumeId::random(), SnapshotId::random());
    pool.create(volume, MIB)?;
    pool.open_volume(volume)?.write_at(MIB - 3, b"end")?;
    pool.snapshot(volume, snapshot)?;
    pool.clone_snapshot(snapshot, clone, 2 * MIB)?;
    let bytes = content(&*pool.open_volume(clone)?)?;
    assert_eq!(&bytes[(1 << 20) - 3..1 << 20], b"end");
    assert!(bytes.len() == 2 << 20 && bytes[1 << 20..].iter().all(|&byte| byte == 0));
    assert!(pool.clone_snapshot(snapshot, VolumeId::random(), MIB / 2).is_err(), "a clone never loses bytes");
    Ok(())
}

fn copies_outlive_the_volume(pool: &dyn Pool) -> Result<()> {
    let (volume, clone, snapshot) = (VolumeId::random(), VolumeId::random(), SnapshotId::random());
    pool.create(volume, MIB)?;
    pool.open_volume(volume)?.write_at(0, b"precious")?;
    pool.snapshot(volume, snapshot)?;
    pool.delete(volume)?;
    assert!(content(&*pool.open_snapshot(snapshot)?)?.starts_with(b"precious"));
    pool.clone_snapshot(snapshot, clone, MIB)?;
    pool.delete_snapshot(snapshot)?;
    assert!(content(&*pool.open_volume(clone)?)?.starts_with(b"precious"));
    Ok(())
}

/// "Cannot tell" passes; a pool's own tests know whether it should.
fn nothing_that_changed_is_missed(pool: &dyn Pool) -> Result<()> {
    let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
    let [base, copy, of_snapshot] = ["base", "copy", "of-snapshot"].map(|part| format!("{volume}.{part}"));
    pool.create(volume, 2 * MIB)?;
    let device = pool.open_volume(volume)?;
    device.write_at(0, &vec![7; 1 << 20])?;
    pool.freeze(Original::Volume(volume), &base)?;
    device.write_at(70_000, b"changed")?;
    device.write_at(2 * MIB - 4096, b"was a hole")?;
    device.zero(200_000, 100_000)?;
    pool.snapshot(volume, snapshot)?;
    pool.extend(volume, 3 * MIB)?;
    pool.freeze(Original::Volume(volume), &copy)?;
    pool.freeze(Original::Snapshot(snapshot), &of_snapshot)?;
    for (name, size) in [(&copy, 3 * MIB), (&of_snapshot, 2 * MIB)] {
        let Some(changes) = pool.changes(&base, name)? else { continue };
        let (before, now) = (pool.open_frozen(&base)?, pool.open_frozen(name)?);
        for (offset, length) in [(0, size), (65_536, 65_536), (MIB + 1, MIB - 2), (size, 0)] {
            check_changes(&*changes, &*before, &*now, offset, length)?;
        }
        assert!(changes.changed(0, size + 1).is_err());
        assert!(pool.shares(Original::Volume(volume))?);
    }
    let mut names = pool.frozen()?;
    names.retain(|name| name.starts_with(&volume.to_string()));
    names.sort();
    assert_eq!(names, [base, copy, of_snapshot]);
    names.iter().try_for_each(|name| pool.thaw(name))?;
    pool.delete(volume)?;
    pool.delete_snapshot(snapshot)
}

fn a_revert_is_all_or_nothing(pool: &dyn Pool) -> Result<()> {
    let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
    pool.create(volume, MIB)?;
    pool.open_volume(volume)?.write_at(4096, b"kept")?;
    pool.snapshot(volume, snapshot)?;
    pool.open_volume(volume)?.write_at(4096, b"lost")?;
    pool.extend(volume, 2 * MIB)?;
    let refused = pool.revert(volume, snapshot, &|| Err(domain::Error::cancelled()));
    assert!(refused.is_err_and(|error| error.kind() == Kind::Cancelled));
    assert_eq!(&content(&*pool.open_volume(volume)?)?[4096..4100], b"lost");
    for _ in 0..2 {
        pool.revert(volume, snapshot, &|| Ok(()))?;
        let bytes = content(&*pool.open_volume(volume)?)?;
        assert_eq!((bytes.len() as u64, &bytes[4096..4100]), (2 * MIB, b"kept".as_slice()));
    }
    pool.delete(volume)?;
    pool.delete_snapshot(snapshot)
}

fn removing_nothing_is_fine(pool: &dyn Pool) -> Result<()> {
    pool.delete(VolumeId::random())?;
    pool.delete_snapshot(SnapshotId::random())?;
    pool.thaw("never-made")
}

fn missing_things_are_not_found(pool: &dyn Pool) -> Result<()> {
    let (volume, snapshot) = (VolumeId::random(), SnapshotId::random());
    let answers = [
        pool.open_volume(volume).err(),
        pool.open_snapshot(snapshot).err(),
        pool.open_frozen("never-made").err(),
        pool.freeze(Original::Snapshot(snapshot), "never-made").err(),
        pool.extend(volume, MIB).err(),
        pool.snapshot(volume, snapshot).err(),
        pool.clone_volume(volume, VolumeId::random(), MIB).err(),
        pool.clone_snapshot(snapshot, VolumeId::random(), MIB).err(),
    ];
    for answer in answers {
        assert_eq!(answer.map(|error| error.kind()), Some(Kind::NotFound));
    }
    Ok(())
}
