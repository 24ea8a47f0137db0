//! What a later attempt takes over from earlier ones.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::pin::pin;

use domain::Result;
use format::{Compression, names};
use futures::TryStreamExt;

use super::plan::Chunk;
use crate::hash::{Hash, sha256};
use crate::listing::{belongs_to, pages};
use crate::port::{BackupIdentity, Context, Stored};

/// The objects of earlier attempts that may be used, and the names of new ones.
#[derive(Debug)]
pub(crate) struct Resume {
    prefix: String,
    attempt: i64,
    next_number: u64,
    /// By offset and length.
    trusted: BTreeMap<(u64, u64), Stored>,
}

impl Resume {
    /// Trusts a checkpoint only if the store still lists its object with a length that its compression allows.
    pub(crate) async fn load(
        context: &Context,
        identity: &BackupIdentity,
        attempt: i64,
        checkpoints: Vec<Stored>,
    ) -> Result<Self> {
        let prefix = &identity.prefix;
        let highest = checkpoints.iter().filter_map(|stored| number_and_attempt(&stored.name, prefix)).map(|(n, _)| n);
        let next_number = highest.max().unwrap_or(0) + 1;
        let mut listed = BTreeMap::new();
        let mut by_name: HashMap<String, Stored> =
            checkpoints.into_iter().map(|stored| (stored.name.clone(), stored)).collect();
        if !by_name.is_empty() {
            let mut pages = pin!(pages(&*context.store, &identity.container, prefix));
            while let Some(page) = pages.try_next().await? {
                for entry in page {
                    if let Some(stored) = by_name.remove(&entry.name)
                        && plausible(&stored, entry.length_bytes)
                    {
                        listed.insert((stored.offset, stored.length), stored);
                    }
                }
            }
        }
        Ok(Self { prefix: prefix.clone(), attempt, next_number, trusted: listed })
    }

    /// The objects that already hold blocks of this chunk, exactly as they are, and which blocks: in order, without overlap.
    /// Another attempt may have cut and joined in other places; one that reaches into the next chunk is not used again.
    pub(crate) fn take(&mut self, chunk: Chunk, hashes: &[Hash], block_bytes: usize) -> Vec<(Range<usize>, Stored)> {
        let end = chunk.offset + chunk.length as u64;
        let here: Vec<(u64, u64)> = self.trusted.range((chunk.offset, 0)..(end, 0)).map(|(place, _)| *place).collect();
        let mut taken: Vec<(Range<usize>, Stored)> = Vec::new();
        for place in here {
            let Some(stored) = self.trusted.remove(&place) else { continue };
            let Some(blocks) = blocks_of(&stored, chunk, block_bytes) else { continue };
            let overlaps = taken.last().is_some_and(|(last, _)| last.end > blocks.start);
            let as_they_are = hashes.get(blocks.clone()).is_some_and(|hashes| digest(hashes) == stored.sha256);
            if as_they_are && !overlaps {
                taken.push((blocks, stored));
            }
        }
        taken
    }

    pub(crate) fn next_name(&mut self) -> String {
        let number = self.next_number;
        self.next_number += 1;
        names::data_object(&self.prefix, number, self.attempt)
    }
}

/// What tells whether an object holds the same blocks: the SHA-256 of their SHA-256s.
pub(crate) fn digest(hashes: &[Hash]) -> Hash {
    sha256(hashes.as_flattened())
}

/// Which blocks of the chunk the object holds; none when it does not hold whole ones of this chunk alone.
fn blocks_of(stored: &Stored, chunk: Chunk, block_bytes: usize) -> Option<Range<usize>> {
    let start = usize::try_from(stored.offset.checked_sub(chunk.offset)?).ok()?;
    let end = start.checked_add(usize::try_from(stored.length).ok()?)?;
    let whole = start.is_multiple_of(block_bytes) && (end.is_multiple_of(block_bytes) || end == chunk.length);
    (whole && start < end && end <= chunk.length).then(|| start / block_bytes..end.div_ceil(block_bytes))
}

/// Raw bodies are as long as their bytes; compressed ones were only kept because they are shorter.
fn plausible(stored: &Stored, body_bytes: u64) -> bool {
    match stored.compression {
        Compression::None => body_bytes == stored.length,
        Compression::Zlib | Compression::Bz2 | Compression::Zstd => 0 < body_bytes && body_bytes < stored.length,
    }
}

/// Reads `<prefix>-<number>` and `<prefix>-<number>-r<attempt>`.
pub(super) fn number_and_attempt(name: &str, prefix: &str) -> Option<(u64, i64)> {
    if !belongs_to(name, prefix) {
        return None;
    }
    let tail = name.strip_prefix(prefix)?.strip_prefix('-')?;
    match tail.split_once("-r") {
        Some((number, attempt)) => Some((number.parse().ok()?, attempt.parse().ok()?)),
        None => Some((tail.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_number_and_attempt() {
        for (number, attempt) in [(1, 1), (99_999, 1), (123_456, 1), (7, 2), (100_000, 31)] {
            assert_eq!(number_and_attempt(&names::data_object("p", number, attempt), "p"), Some((number, attempt)));
        }
        for other in ["p_metadata", "p-x", "p", "q-00001", "p-00001-rx"] {
            assert_eq!(number_and_attempt(other, "p"), None, "{other}");
        }
    }
}
