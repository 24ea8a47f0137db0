//! The contract of a pool and of an open volume.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use domain::ids::GroupSnapshotId;
use domain::placement::Backend;
use domain::{Result, SnapshotId, VolumeId};

/// A run of bytes in a volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
    pub kind: ExtentKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExtentKind {
    Data,
    /// Reads as zeros and need not be read.
    Hole,
}

/// Free and total bytes of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolSpace {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// What a frozen copy is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Original {
    Volume(VolumeId),
    Snapshot(SnapshotId),
}

/// The most files of which [`Pool::stored`] tells.
pub const STORED_MAX: usize = 10_000;

/// A file or block device that a pool has or could take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// What [`Pool::adopt`] takes as its source: a bare name in the pool itself, a path elsewhere.
    pub name: String,
    pub size_bytes: u64,
    /// Why it cannot be taken, as far as the pool knows.
    pub refusal: Option<String>,
}

/// A place that holds volumes. Every method is idempotent: a job may be done twice, by two workers one after the other.
pub trait Pool: std::fmt::Debug + Send + Sync {
    fn name(&self) -> &str;

    /// What kind of storage it is.
    fn backend(&self) -> &Backend;

    fn space(&self) -> Result<PoolSpace>;

    /// A volume of `size_bytes`. True: it was made now and reads as zeros everywhere. False: it exists and was kept, grown
    /// when it was smaller, never emptied or cut: whoever asks late must not harm a volume that is in use.
    fn create(&self, volume: VolumeId, size_bytes: u64) -> Result<bool>;

    /// A volume with the content of `source`, then zeros up to `size_bytes`. By reference where the file system can. An
    /// existing one is kept, as by [`Pool::create`]; so are existing snapshots and frozen copies.
    fn clone_volume(&self, source: VolumeId, volume: VolumeId, size_bytes: u64) -> Result<()>;

    /// A volume with the content of a snapshot, then zeros up to `size_bytes`.
    fn clone_snapshot(&self, snapshot: SnapshotId, volume: VolumeId, size_bytes: u64) -> Result<()>;

    /// A volume with the content of a device of any pool, holes kept. An existing one is kept, as by [`Pool::create`].
    /// `progress` hears how many bytes are done; its error ends the copy, of which nothing stays.
    fn import(&self, source: &dyn BlockDevice, volume: VolumeId, progress: &dyn Fn(u64) -> Result<()>) -> Result<()>;

    /// Grows the volume; the new part reads as zeros. Growing to less than the current size changes nothing.
    fn extend(&self, volume: VolumeId, size_bytes: u64) -> Result<()>;

    /// Removing what is not there is `Ok`.
    fn delete(&self, volume: VolumeId) -> Result<()>;

    /// Takes an existing file (by rename) or block device (by symbolic link) into the pool and answers its size in bytes.
    /// `source` is checked against the paths the operator allows. A source already taken under this id is `Ok`. `released`:
    /// it bears a name that pools give, of something that is under management no more.
    fn adopt(&self, source: &str, released: bool, volume: VolumeId) -> Result<u64>;

    /// The same for a snapshot, which is a file of at most `size_bytes_max`.
    fn adopt_snapshot(&self, source: &str, released: bool, snapshot: SnapshotId, size_bytes_max: u64) -> Result<u64>;

    /// What lies in the pool and where sources may lie, [`STORED_MAX`] files at most.
    fn stored(&self) -> Result<Vec<Stored>>;

    fn snapshot(&self, volume: VolumeId, snapshot: SnapshotId) -> Result<()>;

    /// The volume gets the content of the snapshot, and zeros up to its own size: all of it or, when `may_begin` or anything
    /// else fails before the last step, nothing. `may_begin` is asked once the copy is ready.
    fn revert(&self, volume: VolumeId, snapshot: SnapshotId, may_begin: &dyn Fn() -> Result<()>) -> Result<()>;

    /// Snapshots of several volumes, all of them or none, as close together as the file system allows. With `one_instant`
    /// they show one: `Unavailable` when a volume was written to while they were taken, `Unsupported` when that cannot be
    /// seen. Snapshots that an earlier attempt completed are kept.
    fn snapshot_group(&self, whole: GroupSnapshotId, parts: &[(VolumeId, SnapshotId)], one_instant: bool)
    -> Result<()>;

    /// Removes what an unfinished attempt at [`Pool::snapshot_group`] left.
    fn forget_group(&self, whole: GroupSnapshotId) -> Result<()>;

    /// Removing what is not there is `Ok`.
    fn delete_snapshot(&self, snapshot: SnapshotId) -> Result<()>;

    /// A point-in-time copy, of a volume in use too, under a name of its own; kept as it is when it exists already.
    fn freeze(&self, original: Original, name: &str) -> Result<()>;

    /// Whether a frozen copy of it takes neither time nor room, and may stay to be compared with later ones.
    fn shares(&self, original: Original) -> Result<bool>;

    /// The names of all frozen copies.
    fn frozen(&self) -> Result<Vec<String>>;

    /// What may differ between two frozen copies of one volume. `None` where the pool cannot tell.
    fn changes(&self, base: &str, copy: &str) -> Result<Option<Arc<dyn Changes>>>;

    /// Removing what is not there is `Ok`.
    fn thaw(&self, name: &str) -> Result<()>;

    fn open_volume(&self, volume: VolumeId) -> Result<Arc<dyn BlockDevice>>;

    /// Read only.
    fn open_snapshot(&self, snapshot: SnapshotId) -> Result<Arc<dyn BlockDevice>>;

    /// Read only.
    fn open_frozen(&self, name: &str) -> Result<Arc<dyn BlockDevice>>;

    /// The host's path of the volume, for `demo` and tests.
    fn path(&self, volume: VolumeId) -> PathBuf;
}

/// An open volume, snapshot or frozen copy. Blocking; safe to use from many threads at different offsets.
pub trait BlockDevice: std::fmt::Debug + Send + Sync {
    fn size_bytes(&self) -> u64;

    /// Data and holes that cover `offset .. offset + length` without gap, in order, clipped to that range. "All data" is
    /// an honest answer.
    fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>>;

    /// Fills `buffer` from `offset`; reading past the end is an error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the range read as zeros, as a hole where the file system can.
    fn zero(&self, offset: u64, length: u64) -> Result<()>;

    /// Begins to make a range that was written durable, without waiting, so that less is left for [`Self::sync`]. A hint.
    fn begin_sync(&self, _offset: u64, _length: u64) {}

    /// Everything written is durable afterwards.
    fn sync(&self) -> Result<()>;
}

/// What may differ between two states of a volume, without a look at the bytes: extents that files share, a dirty bitmap,
/// the difference of two images. Blocking; safe to use from many threads.
pub trait Changes: std::fmt::Debug + Send + Sync {
    /// The parts of `offset .. offset + length` that may differ: in order, clipped to that range, none empty, none touching.
    /// A part that the later state has and the earlier one had not may differ. "All of it" is an honest answer.
    fn changed(&self, offset: u64, length: u64) -> Result<Vec<Range<u64>>>;
}
