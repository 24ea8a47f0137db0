//! What the pool says has not changed since the parent: most of it is taken at its word and not read, a random sample is
//! read all the same, so that a pool that is wrong is caught.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Result;
use rand::Rng;
use stdx::report::Chain;
use volume::{BlockDevice, Changes, ExtentKind};

use super::plan::{Chunk, Plan};
use crate::hash::Hash;
use crate::work::Work;

/// Blocks of the sample, however little changed.
const SAMPLE_BLOCKS_MIN: u64 = 32;
/// Of so many blocks that are read because they changed, one more is allowed to the sample.
const READS_PER_SAMPLE: u64 = 32;
/// Extents asked for at once.
const WINDOW_BYTES: u64 = 1 << 30;

/// What is known of a block before its hash is compared with the parent's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    /// It may have changed.
    Open,
    /// Said to be as in the parent, and read all the same: its hash must be the parent's.
    Checked,
    /// Said to be as in the parent, and known to be zero: its hash must be the parent's too, its bytes are not there.
    Zero,
    /// Said to be as in the parent and not read: its hash is the parent's, its bytes are not there.
    Trusted,
}

/// The pool's word about the blocks of one chunk; none of them, where it gave no word.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    words: Vec<Word>,
}

impl Claim {
    /// Completes `hashes` with the parent's. False when the pool was wrong: some block is not what the parent had.
    #[must_use]
    pub(crate) fn settle(&self, hashes: &mut [Hash], parent: &[Hash]) -> bool {
        self.words.iter().zip(hashes).enumerate().all(|(index, (word, hash))| match (word, parent.get(index)) {
            (Word::Open, _) => true,
            (Word::Checked | Word::Zero, parents) => parents == Some(hash),
            (Word::Trusted, Some(parents)) => {
                *hash = *parents;
                true
            }
            (Word::Trusted, None) => false,
        })
    }

    /// Whether the bytes of all these blocks are there. No object may cover others.
    pub(crate) fn has_bytes(&self, blocks: Range<usize>) -> bool {
        self.words.get(blocks).is_none_or(|words| words.iter().all(|word| matches!(word, Word::Open | Word::Checked)))
    }
}

/// Decides which blocks are read.
#[derive(Debug)]
pub(crate) struct Trust {
    changes: Arc<dyn Changes>,
    block_bytes: usize,
    sample: Mutex<Sample>,
}

/// Shares the sample out evenly over the data of the volume.
#[derive(Debug)]
struct Sample {
    blocks_left: u64,
    /// Blocks of the volume with data that are still to come.
    data_blocks_left: u64,
    reads: u64,
}

impl Sample {
    /// How many of `trusted` blocks to read, in a chunk where `reads` of its `data` blocks are read anyway.
    fn take(&mut self, trusted: u64, data: u64, reads: u64) -> u64 {
        self.reads += reads;
        self.blocks_left += self.reads / READS_PER_SAMPLE;
        self.reads %= READS_PER_SAMPLE;
        let share = u128::from(self.blocks_left) * u128::from(trusted);
        let of = u128::from(self.data_blocks_left.max(data).max(1));
        // Rounded by lot, so that a share below one is not always none.
        let rounded = (share + rand::rng().random_range(0..of)) / of;
        let taken = u64::try_from(rounded).unwrap_or(u64::MAX).min(trusted).min(self.blocks_left);
        self.blocks_left -= taken;
        self.data_blocks_left = self.data_blocks_left.saturating_sub(data);
        taken
    }
}

impl Trust {
    pub(crate) async fn new(
        work: &Work,
        source: &Arc<dyn BlockDevice>,
        changes: Arc<dyn Changes>,
        plan: Plan,
    ) -> Result<Self> {
        let source = Arc::clone(source);
        let count = move |stop: &crate::work::Stop| {
            let mut data_bytes = 0;
            for start in (0..plan.volume_bytes).step_by(usize::try_from(WINDOW_BYTES).unwrap_or(usize::MAX)) {
                stop.check()?;
                let extents = source.extents(start, WINDOW_BYTES.min(plan.volume_bytes - start))?;
                let data = extents.iter().filter(|extent| extent.kind == ExtentKind::Data);
                data_bytes += data.map(|extent| extent.length).sum::<u64>();
            }
            Ok(data_bytes.div_ceil(plan.block_bytes as u64))
        };
        let data_blocks_left = work.blocking(count).await?;
        let sample = Mutex::new(Sample { blocks_left: SAMPLE_BLOCKS_MIN, data_blocks_left, reads: 0 });
        Ok(Self { changes, block_bytes: plan.block_bytes, sample })
    }

    /// Leaves of `data`, the parts of a chunk with data, those that must be read; blocking. Chunks come about in order.
    pub(crate) fn claim(&self, chunk: Chunk, data: &[Range<usize>]) -> (Vec<Range<usize>>, Claim) {
        let blocks = chunk.length.div_ceil(self.block_bytes);
        let has_data = self.blocks(data.iter().cloned(), blocks);
        let may_differ = self.blocks(self.changed(chunk).into_iter(), blocks);
        let mut words: Vec<Word> = has_data
            .iter()
            .zip(may_differ)
            .map(|(data, differs)| match (differs, data) {
                (true, _) => Word::Open,
                (false, true) => Word::Trusted,
                (false, false) => Word::Zero,
            })
            .collect();
        self.draw_sample(&has_data, &mut words);
        let is_read = words.iter().zip(&has_data).map(|(word, data)| *data && *word != Word::Trusted);
        let mut reads: Vec<Range<usize>> = Vec::new();
        for (index, _) in is_read.enumerate().filter(|(_, read)| *read) {
            let start = index * self.block_bytes;
            let end = (start + self.block_bytes).min(chunk.length);
            match reads.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => reads.push(start..end),
            }
        }
        (reads, Claim { words })
    }

    /// Byte ranges of the chunk. A pool that fails to answer knows nothing, which costs time and nothing else.
    fn changed(&self, chunk: Chunk) -> Vec<Range<usize>> {
        let length = chunk.length as u64;
        let changed = self.changes.changed(chunk.offset, length).unwrap_or_else(|error| {
            tracing::warn!(error = %Chain(&error), offset = chunk.offset, "the pool does not say what changed here");
            std::iter::once(chunk.offset..chunk.offset + length).collect()
        });
        let within = |at: u64| usize::try_from(at.saturating_sub(chunk.offset)).unwrap_or(usize::MAX).min(chunk.length);
        changed.into_iter().map(|range| within(range.start)..within(range.end)).collect()
    }

    /// Which of the chunk's blocks the byte ranges touch.
    fn blocks(&self, ranges: impl Iterator<Item = Range<usize>>, count: usize) -> Vec<bool> {
        let mut touched = vec![false; count];
        for range in ranges.filter(|range| !range.is_empty()) {
            let blocks = range.start / self.block_bytes..range.end.div_ceil(self.block_bytes).min(count);
            touched.get_mut(blocks).unwrap_or_default().fill(true);
        }
        touched
    }

    fn draw_sample(&self, has_data: &[bool], words: &mut [Word]) {
        let mut trusted: Vec<&mut Word> = words.iter_mut().filter(|word| **word == Word::Trusted).collect();
        let data = has_data.iter().filter(|data| **data).count();
        let reads = data - trusted.len();
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = sample.take(trusted.len() as u64, data as u64, reads as u64);
        drop(sample);
        let taken = usize::try_from(taken).unwrap_or(usize::MAX).min(trusted.len());
        for index in rand::seq::index::sample(&mut rand::rng(), trusted.len(), taken) {
            if let Some(word) = trusted.get_mut(index) {
                **word = Word::Checked;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_settled_by_the_parent() {
        let claim = Claim { words: vec![Word::Open, Word::Checked, Word::Zero, Word::Trusted] };
        let parent = [[1; 32], [2; 32], [7; 32], [3; 32]];
        let mut hashes = [[9; 32], [2; 32], [7; 32], [0; 32]];
        assert!(claim.settle(&mut hashes, &parent));
        assert_eq!(hashes, [[9; 32], [2; 32], [7; 32], [3; 32]]);
        assert!(!claim.settle(&mut [[9; 32], [8; 32], [7; 32], [0; 32]], &parent), "a checked block differs");
        assert!(!claim.settle(&mut [[9; 32], [2; 32], [8; 32], [0; 32]], &parent), "it was no hole");
        assert!(!claim.settle(&mut hashes, &parent[..3]), "the parent does not have a trusted block");
        let there = [0..2, 1..3, 3..4].map(|blocks| claim.has_bytes(blocks));
        assert!(there == [true, false, false] && Claim::default().has_bytes(0..9));
    }

    #[test]
    fn the_sample_is_spread_and_stays_small() {
        // A thousand chunks of 2048 blocks with data, in fifty of which everything changed.
        let mut sample = Sample { blocks_left: SAMPLE_BLOCKS_MIN, data_blocks_left: 2_048_000, reads: 0 };
        let mut taken = Vec::new();
        for chunk in 0..1000 {
            let reads = if (200..250).contains(&chunk) { 2048 } else { 0 };
            taken.push(sample.take(2048 - reads, 2048, reads));
        }
        let total: u64 = taken.iter().sum();
        let reads = 50 * 2048;
        assert!((SAMPLE_BLOCKS_MIN..=SAMPLE_BLOCKS_MIN + reads / READS_PER_SAMPLE).contains(&total), "{total}");
        assert!(taken[500..].iter().sum::<u64>() > total / 3, "the end is looked at too");
        assert!(sample.blocks_left <= 2, "{sample:?}");
        let mut tiny = Sample { blocks_left: SAMPLE_BLOCKS_MIN, data_blocks_left: 5, reads: 0 };
        assert_eq!(tiny.take(5, 5, 0), 5);
    }
}
