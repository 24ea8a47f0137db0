//! A pool whose volumes are a few numbers each, and of which a process that is dead can change nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use domain::ids::GroupSnapshotId;
use domain::placement::Backend;
use domain::{Error, Result, SnapshotId, VolumeId};
use volume::{BlockDevice, Changes, Extent, ExtentKind, Original, Pool, PoolSpace, Stored};

use crate::hub::{Hub, Life};

/// What a number of a volume's content stands for.
pub(crate) const CHUNK_BYTES: u64 = 1 << 28;
const FREE_BYTES: u64 = 1 << 50;

/// What a volume holds.
pub(crate) type Content = Vec<u64>;

#[derive(Default)]
pub(crate) struct PoolState {
    /// Copies take neither time nor room and are kept.
    pub(crate) shares: bool,
    pub(crate) volumes: BTreeMap<VolumeId, Content>,
    pub(crate) snapshots: BTreeMap<SnapshotId, Content>,
    pub(crate) frozen: BTreeMap<String, Content>,
    pub(crate) files: BTreeMap<String, Content>,
}

impl PoolState {
    fn original(&self, original: Original) -> Result<Content> {
        match original {
            Original::Volume(id) => self.volume(id).cloned(),
            Original::Snapshot(id) => self.snapshot(id).cloned(),
        }
    }

    fn volume(&self, id: VolumeId) -> Result<&Content> {
        self.volumes.get(&id).ok_or_else(|| Error::not_found("Volume", id))
    }

    fn snapshot(&self, id: SnapshotId) -> Result<&Content> {
        self.snapshots.get(&id).ok_or_else(|| Error::not_found("Snapshot", id))
    }

    fn make(&mut self, id: VolumeId, mut content: Content, size_bytes: u64) -> bool {
        let chunks = chunks(size_bytes);
        let is_new = !self.volumes.contains_key(&id);
        content.resize(content.len().max(chunks), 0);
        let kept = self.volumes.entry(id).or_insert(content);
        kept.resize(kept.len().max(chunks), 0);
        is_new
    }
}

fn chunks(size_bytes: u64) -> usize {
    usize::try_from(size_bytes / CHUNK_BYTES).unwrap_or_default()
}

/// One process's way to a pool.
#[derive(Debug)]
pub(crate) struct SimulatedPool {
    pub(crate) hub: Arc<Hub>,
    pub(crate) life: Life,
    pub(crate) name: &'static str,
    pub(crate) backend: Backend,
}

impl SimulatedPool {
    fn with<T>(&self, act: impl FnOnce(&mut PoolState) -> Result<T>) -> Result<T> {
        self.hub.with(|shared| {
            if shared.dead.contains(&self.life) {
                return Err(Error::unavailable("the process is dead"));
            }
            let pool = shared.pools.get_mut(self.name).ok_or_else(|| Error::unavailable("no such pool"))?;
            act(pool)
        })
    }

    /// A change of the thing, which only the holder of its job may make.
    fn change<T>(&self, thing: &dyn std::fmt::Display, act: impl FnOnce(&mut PoolState) -> Result<T>) -> Result<T> {
        check_lease(&self.hub, self.life, &thing.to_string());
        self.with(act)
    }

    /// What is open stays readable when it is removed, as a file does.
    fn open(&self, what: What, find: impl FnOnce(&PoolState) -> Result<Content>) -> Result<Arc<dyn BlockDevice>> {
        let opened = self.with(|pool| find(pool))?;
        Ok(Arc::new(Device { hub: Arc::clone(&self.hub), life: self.life, pool: self.name, what, opened }))
    }
}

/// Notes a change that is made after the end of the lease.
pub(crate) fn check_lease(hub: &Hub, life: Life, thing: &str) {
    hub.with(|shared| {
        if shared.dead.contains(&life) {
            return;
        }
        if let Some((job, generation)) = shared.leases.overdue(life, thing, shared.now) {
            shared.violated(format!("job {job} of generation {generation} changes {thing} after the end of its lease"));
        }
    });
}

impl Pool for SimulatedPool {
    fn name(&self) -> &str {
        self.name
    }

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn space(&self) -> Result<PoolSpace> {
        self.with(|pool| {
            let used_bytes = pool.volumes.values().map(|content| content.len() as u64 * CHUNK_BYTES).sum::<u64>();
            Ok(PoolSpace { free_bytes: FREE_BYTES.saturating_sub(used_bytes), total_bytes: FREE_BYTES })
        })
    }

    fn create(&self, volume: VolumeId, size_bytes: u64) -> Result<bool> {
        self.change(&volume, |pool| Ok(pool.make(volume, Content::new(), size_bytes)))
    }

    fn clone_volume(&self, source: VolumeId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        self.change(&volume, |pool| {
            let content = pool.volume(source)?.clone();
            pool.make(volume, content, size_bytes);
            Ok(())
        })
    }

    fn clone_snapshot(&self, snapshot: SnapshotId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        self.change(&volume, |pool| {
            let content = pool.snapshot(snapshot)?.clone();
            pool.make(volume, content, size_bytes);
            Ok(())
        })
    }

    fn import(&self, source: &dyn BlockDevice, volume: VolumeId, progress: &dyn Fn(u64) -> Result<()>) -> Result<()> {
        let mut content = Content::new();
        let size_bytes = source.size_bytes();
        for chunk in 0..chunks(size_bytes) as u64 {
            content.push(read(source, chunk)?);
            progress((chunk + 1) * CHUNK_BYTES)?;
        }
        self.change(&volume, |pool| {
            pool.make(volume, content, size_bytes);
            Ok(())
        })
    }

    fn extend(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        self.change(&volume, |pool| {
            pool.volume(volume)?;
            pool.make(volume, Content::new(), size_bytes);
            Ok(())
        })
    }

    fn delete(&self, volume: VolumeId) -> Result<()> {
        self.change(&volume, |pool| {
            pool.volumes.remove(&volume);
            Ok(())
        })
    }

    fn adopt(&self, source: &str, _released: bool, volume: VolumeId) -> Result<u64> {
        self.change(&volume, |pool| {
            if let Some(content) = pool.files.remove(source) {
                pool.volumes.insert(volume, content);
            }
            Ok(pool.volume(volume)?.len() as u64 * CHUNK_BYTES)
        })
    }

    fn adopt_snapshot(&self, source: &str, _released: bool, snapshot: SnapshotId, _size_bytes_max: u64) -> Result<u64> {
        self.change(&snapshot, |pool| {
            if let Some(content) = pool.files.remove(source) {
                pool.snapshots.insert(snapshot, content);
            }
            Ok(pool.snapshot(snapshot)?.len() as u64 * CHUNK_BYTES)
        })
    }

    fn stored(&self) -> Result<Vec<Stored>> {
        let stored = |(name, content): (&String, &Content)| Stored {
            name: name.clone(),
            size_bytes: content.len() as u64 * CHUNK_BYTES,
            refusal: None,
        };
        self.with(|pool| Ok(pool.files.iter().map(stored).collect()))
    }

    fn snapshot(&self, volume: VolumeId, snapshot: SnapshotId) -> Result<()> {
        self.change(&snapshot, |pool| {
            let content = pool.volume(volume)?.clone();
            pool.snapshots.entry(snapshot).or_insert(content);
            Ok(())
        })
    }

    fn revert(&self, volume: VolumeId, snapshot: SnapshotId, may_begin: &dyn Fn() -> Result<()>) -> Result<()> {
        may_begin()?;
        self.change(&volume, |pool| {
            let mut content = pool.snapshot(snapshot)?.clone();
            content.resize(pool.volume(volume)?.len(), 0);
            pool.volumes.insert(volume, content);
            Ok(())
        })
    }

    fn snapshot_group(
        &self,
        _whole: GroupSnapshotId,
        parts: &[(VolumeId, SnapshotId)],
        _one_instant: bool,
    ) -> Result<()> {
        self.with(|pool| {
            let contents: Vec<_> =
                parts.iter().map(|(volume, _)| pool.volume(*volume).cloned()).collect::<Result<_>>()?;
            for ((_, snapshot), content) in parts.iter().zip(contents) {
                pool.snapshots.entry(*snapshot).or_insert(content);
            }
            Ok(())
        })
    }

    fn forget_group(&self, _whole: GroupSnapshotId) -> Result<()> {
        Ok(())
    }

    fn delete_snapshot(&self, snapshot: SnapshotId) -> Result<()> {
        self.change(&snapshot, |pool| {
            pool.snapshots.remove(&snapshot);
            Ok(())
        })
    }

    fn freeze(&self, original: Original, name: &str) -> Result<()> {
        let made = self.with(|pool| {
            if pool.frozen.contains_key(name) {
                return Ok(None);
            }
            let content = pool.original(original)?;
            pool.frozen.insert(name.to_owned(), content.clone());
            Ok(Some(content))
        })?;
        if let (Some(content), Some(backup)) = (made, name.split_once('.').and_then(|(_, id)| id.parse().ok())) {
            self.hub.with(|shared| {
                if shared.frozen_as.insert(backup, content).is_some() {
                    shared.frozen_again.insert(backup);
                }
            });
        }
        Ok(())
    }

    fn shares(&self, _original: Original) -> Result<bool> {
        self.with(|pool| Ok(pool.shares))
    }

    fn frozen(&self) -> Result<Vec<String>> {
        self.with(|pool| Ok(pool.frozen.keys().cloned().collect()))
    }

    fn changes(&self, _base: &str, _copy: &str) -> Result<Option<Arc<dyn Changes>>> {
        Ok(None)
    }

    fn thaw(&self, name: &str) -> Result<()> {
        self.with(|pool| {
            pool.frozen.remove(name);
            Ok(())
        })
    }

    fn open_volume(&self, volume: VolumeId) -> Result<Arc<dyn BlockDevice>> {
        self.open(What::Volume(volume), |pool| pool.volume(volume).cloned())
    }

    fn open_snapshot(&self, snapshot: SnapshotId) -> Result<Arc<dyn BlockDevice>> {
        self.open(What::Copy, |pool| pool.snapshot(snapshot).cloned())
    }

    fn open_frozen(&self, name: &str) -> Result<Arc<dyn BlockDevice>> {
        self.open(What::Copy, |pool| pool.frozen.get(name).cloned().ok_or_else(|| Error::not_found("Copy", name)))
    }

    fn path(&self, volume: VolumeId) -> PathBuf {
        PathBuf::from(volume.to_string())
    }
}

#[derive(Debug)]
enum What {
    Volume(VolumeId),
    /// A snapshot or a frozen copy, which does not change.
    Copy,
}

#[derive(Debug)]
struct Device {
    hub: Arc<Hub>,
    life: Life,
    pool: &'static str,
    what: What,
    opened: Content,
}

impl Device {
    fn content(&self) -> Content {
        let What::Volume(id) = self.what else { return self.opened.clone() };
        let found = self.hub.with(|shared| shared.pools.get(self.pool)?.volumes.get(&id).cloned());
        found.unwrap_or_else(|| self.opened.clone())
    }
}

impl BlockDevice for Device {
    fn size_bytes(&self) -> u64 {
        self.content().len() as u64 * CHUNK_BYTES
    }

    fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        Ok(vec![Extent { offset, length, kind: ExtentKind::Data }])
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let content = self.content();
        let number = content.get(chunks(offset)).ok_or_else(|| Error::internal("read past the end"))?;
        for (to, from) in buffer.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let What::Volume(id) = self.what else { return Err(Error::internal("written to a copy")) };
        check_lease(&self.hub, self.life, &id.to_string());
        let number = bytes.try_into().map(u64::from_le_bytes).map_err(|_| Error::internal("no number"))?;
        self.hub.with(|shared| {
            let pool = shared.pools.get_mut(self.pool).ok_or_else(|| Error::unavailable("no such pool"))?;
            let Some(content) = pool.volumes.get_mut(&id) else { return Ok(()) };
            *content.get_mut(chunks(offset)).ok_or_else(|| Error::internal("written past the end"))? = number;
            Ok(())
        })
    }

    fn zero(&self, offset: u64, _length: u64) -> Result<()> {
        self.write_at(offset, &0_u64.to_le_bytes())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// The number at a chunk.
pub(crate) fn read(device: &dyn BlockDevice, chunk: u64) -> Result<u64> {
    let mut bytes = [0; 8];
    device.read_at(chunk * CHUNK_BYTES, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
