//! Reads the restored volume back and holds every block against the backup's hashes: a restore that answers `Ok` wrote
//! the right bytes.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use domain::{Error, Result};
use stdx::hex;
use tokio::sync::Mutex;
use volume::{BlockDevice, ExtentKind};

use super::fetch::Fetcher;
use super::hash_list::HashList;
use super::ownership::{Owner, Ownership};
use super::sparse_writer::Target;
use crate::hash::{BlockHasher, Hash};
use crate::port::Layer;
use crate::work::Stop;

/// Checked by one thread at a time.
const PART_BYTES: u64 = 8 << 20;
/// Read at once where the blocks are smaller.
const PIECE_BYTES: usize = 1 << 20;

/// A block that is not what it should be.
#[derive(Clone, Copy, Debug)]
struct Mismatch {
    offset: u64,
    length: usize,
    expected: Hash,
    found: Hash,
}

/// Checks parts of one restored volume.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) fetcher: Fetcher,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) hashes: HashList,
    pub(crate) hasher: BlockHasher,
    pub(crate) volume_bytes: u64,
    /// Objects that were fetched a second time.
    pub(crate) repaired: Mutex<HashSet<Owner>>,
}

impl Verifier {
    /// The volume in parts that begin and end with blocks.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (volume_bytes, part_bytes) = (self.volume_bytes, PART_BYTES.next_multiple_of(self.block_bytes()));
        (0..volume_bytes.div_ceil(part_bytes)).map(move |index| {
            let start = index * part_bytes;
            start..volume_bytes.min(start + part_bytes)
        })
    }

    fn block_bytes(&self) -> u64 {
        self.hasher.block_bytes() as u64
    }

    /// Checks a part; a block that is wrong has the objects it came from fetched once more. Answers the part's length.
    ///
    /// # Errors
    /// `Damaged`, naming the object, the offset and both hashes, when a block stays wrong.
    pub(crate) async fn check(self: Arc<Self>, part: Range<u64>) -> Result<u64> {
        let mut tried = BTreeSet::new();
        loop {
            let (this, range) = (Arc::clone(&self), part.clone());
            let Some(wrong) = self.fetcher.work.blocking(move |stop| this.find_mismatch(range, stop)).await? else {
                return Ok(part.end - part.start);
            };
            let block = wrong.offset..wrong.offset + wrong.length as u64;
            let owners: BTreeSet<Owner> = self.ownership.owners_of(block).iter().map(|run| run.owner).collect();
            if owners.iter().all(|owner| tried.contains(owner)) {
                return Err(self.damaged(&wrong, &owners));
            }
            for owner in owners {
                self.fetch_again(owner).await?;
                tried.insert(owner);
            }
        }
    }

    /// Fetches an object once more, once for all parts that it lies in.
    async fn fetch_again(&self, owner: Owner) -> Result<()> {
        let mut repaired = self.repaired.lock().await;
        if repaired.contains(&owner) {
            return Ok(());
        }
        let object = self.fetcher.object(owner)?;
        tracing::warn!(object = object.name, "restored bytes do not match their hash; fetching the object again");
        let whole = object.offset..object.offset.saturating_add(object.length);
        let runs = self.ownership.owners_of(whole).iter().filter(|run| run.owner == owner);
        self.fetcher.fetch(owner, runs.map(|run| run.start..run.end).collect(), Target::Used).await?;
        repaired.insert(owner);
        Ok(())
    }

    /// The first wrong block of the part.
    fn find_mismatch(&self, part: Range<u64>, stop: &Stop) -> Result<Option<Mismatch>> {
        let device = &*self.fetcher.device;
        let block_bytes = self.block_bytes();
        let first = part.start / block_bytes;
        let count = (part.end - part.start).div_ceil(block_bytes);
        let expected = self.hashes.read(first, usize::try_from(count).unwrap_or(usize::MAX))?;
        let mut expected = expected.into_iter();
        let holes = Holes::of(device, &part)?;
        let piece_bytes = PIECE_BYTES.next_multiple_of(self.hasher.block_bytes());
        let mut buffer = vec![0; piece_bytes.min(usize::try_from(part.end - part.start).unwrap_or(usize::MAX))];
        for start in part.clone().step_by(piece_bytes) {
            stop.check()?;
            let length = usize::try_from(part.end - start).unwrap_or(usize::MAX).min(piece_bytes);
            let piece = &mut buffer[..length];
            let hole = holes.cover(start..start + length as u64);
            if !hole {
                device.read_at(start, piece)?;
            }
            for (index, block) in piece.chunks(self.hasher.block_bytes()).enumerate() {
                let found = if hole { self.hasher.zero_hash(block.len()) } else { self.hasher.hash(block) };
                let Some(expected) = expected.next() else { break };
                if found != expected {
                    let offset = start + index as u64 * block_bytes;
                    return Ok(Some(Mismatch { offset, length: block.len(), expected, found }));
                }
            }
        }
        Ok(None)
    }

    fn damaged(&self, wrong: &Mismatch, owners: &BTreeSet<Owner>) -> Error {
        let names: Vec<&str> =
            owners.iter().filter_map(|&owner| self.fetcher.object(owner).ok()).map(|o| o.name.as_str()).collect();
        let from = if names.is_empty() { "no object of the backup holds it".to_owned() } else { names.join(", ") };
        Error::damaged(format!(
            "Restored data does not match the backup at offset {}: expected SHA-256 {}, found {} ({from}).",
            wrong.offset,
            hex::encode(&wrong.expected),
            hex::encode(&wrong.found),
        ))
    }
}

/// Parts of a volume that are known to be zero.
struct Holes(Vec<Range<u64>>);

impl Holes {
    fn of(device: &dyn BlockDevice, part: &Range<u64>) -> Result<Self> {
        let extents = device.extents(part.start, part.end - part.start)?;
        let holes = extents.into_iter().filter(|extent| extent.kind == ExtentKind::Hole);
        Ok(Self(holes.map(|extent| extent.offset..extent.offset + extent.length).collect()))
    }

    fn cover(&self, range: Range<u64>) -> bool {
        self.0.iter().any(|hole| hole.start <= range.start && range.end <= hole.end)
    }
}

/// The last block's end cannot be read from a list of hashes. A block whose length changed is stored whole, so the volume
/// ends where the newest layer that holds a part of the block ends, unless that goes on past the block.
///
/// # Errors
/// `Damaged` when the newest backup stores bytes past its own hashes.
pub(crate) fn volume_bytes(hashes: &HashList, ownership: &Ownership, newest_end: u64, layer: &Layer) -> Result<u64> {
    let block_bytes = hashes.block_bytes as u64;
    let hashed_max = hashes.count.saturating_mul(block_bytes);
    if newest_end > hashed_max {
        return Err(Error::damaged(format!(
            "Backup {} stores bytes up to {newest_end}, but its hashes cover {hashed_max} only.",
            layer.id
        )));
    }
    let Some(last_block) = hashed_max.checked_sub(block_bytes) else { return Ok(0) };
    let runs = ownership.owners_of(last_block..hashed_max);
    let newest = runs.iter().map(|run| run.owner.layer).max();
    let end = runs.iter().filter(|run| Some(run.owner.layer) == newest).map(|run| run.end).max();
    Ok(end.unwrap_or(hashed_max).min(hashed_max))
}
