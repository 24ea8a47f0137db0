//! What a volume holds, by its blocks that are not zero, and writing to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use rand::Rng;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

const BLOCK_BYTES: u64 = 64 * 1024;
const GIB: u64 = 1 << 30;
/// Where writes fall: all over the first GiB, in pieces around so many places, so that they meet each other.
const PLACES: u64 = 24;
const PATCHES: std::ops::Range<u64> = 1..6;
const LONGEST_PATCH: usize = 1 << 20;

/// A copy's stand-in: the numbers and hashes of its blocks that are not zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Content {
    blocks: BTreeMap<u64, u64>,
    pub(super) size_gb: u64,
}

impl Content {
    /// Of a file that nobody writes to meanwhile.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let read = || -> std::io::Result<Self> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut blocks = BTreeMap::new();
            let mut piece = vec![0; BLOCK_BYTES as usize];
            let mut at = 0;
            while let Some((start, end)) = data(&file, at)? {
                for block in start / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES) {
                    let here = (length - block * BLOCK_BYTES).min(BLOCK_BYTES) as usize;
                    file.read_exact_at(&mut piece[..here], block * BLOCK_BYTES)?;
                    if piece[..here].iter().any(|byte| *byte != 0) {
                        let mut hasher = DefaultHasher::new();
                        hasher.write(&piece[..here]);
                        blocks.insert(block, hasher.finish());
                    }
                }
                at = end;
            }
            Ok(Self { blocks, size_gb: length / GIB })
        };
        read().with_context(|| format!("read {}", path.display()))
    }

    /// How what was restored differs from this, as far as this goes; a larger volume keeps what lies behind.
    pub(super) fn difference(&self, restored: &Self) -> Option<String> {
        let end = self.size_gb * GIB / BLOCK_BYTES;
        let differs = |block: &&u64| self.blocks.get(block) != restored.blocks.get(block);
        let all = self.blocks.keys().chain(restored.blocks.keys().filter(|block| **block < end));
        let different: std::collections::BTreeSet<&u64> = all.filter(differs).collect();
        let first = different.first()?;
        Some(format!("{} of {} blocks differ, the first is number {first}", different.len(), self.blocks.len()))
    }
}

/// The next run of data at or after `at`.
fn data(file: &File, at: u64) -> std::io::Result<Option<(u64, u64)>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => return Ok(None),
        start => start?,
    };
    Ok(Some((start, rustix::fs::seek(file, SeekFrom::Hole(start))?)))
}

/// Some patches of random bytes, of letters and of zeros.
pub(super) fn write(path: &Path, random: &mut impl Rng) -> Result<()> {
    let file = File::options().write(true).open(path).with_context(|| format!("open {}", path.display()))?;
    for _ in 0..random.random_range(PATCHES) {
        let mut bytes = vec![0; random.random_range(1..LONGEST_PATCH)];
        match random.random_range(0..4) {
            0 => {}
            1 => bytes.fill(random.random_range(b'a'..=b'z')),
            _ => random.fill_bytes(&mut bytes),
        }
        let place = random.random_range(0..PLACES) * (GIB / PLACES);
        let at = (place + random.random_range(0..4 * BLOCK_BYTES)).min(GIB - bytes.len() as u64);
        file.write_all_at(&bytes, at).with_context(|| format!("write to {}", path.display()))?;
    }
    Ok(())
}
