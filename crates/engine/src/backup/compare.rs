//! The second stage of a backup, one chunk after the other: spools the hashes, compares them with the parent's, and
//! decides which objects there will be and what they are called.

use std::ops::Range;
use std::sync::Arc;

use domain::{Error, Result};

use super::cost::PutCost;
use super::parent::ParentHashes;
use super::plan::{Chunk, changed_runs, join, without};
use super::read::{Data, HashedChunk};
use super::resume::{Resume, digest};
use super::source::Planned;
use super::spool::HashSpool;
use super::trust::Claim;
use crate::hash::{BlockHasher, Hash};
use crate::port::Stored;

/// What waits at the end of a chunk for the first run of the next one, at most.
const TAIL_BYTES_MAX: usize = 256 << 10;

/// What became of one run of blocks.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An earlier attempt stored exactly these bytes.
    Kept(Stored),
    Put(Upload),
    /// These many bytes need no object.
    Unchanged(u64),
}

/// An object to be stored.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) digest: Hash,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// All zeros, of one of the few lengths that holes have.
    Hole,
    /// All zeros.
    Zeros,
    Data(Data),
    Planned(Planned),
}

/// What passed so far, and what the next chunk is compared with.
#[derive(Debug)]
pub(crate) struct Comparer {
    pub(crate) parent: Option<ParentHashes>,
    pub(crate) spool: HashSpool,
    pub(crate) resume: Resume,
    pub(crate) hasher: BlockHasher,
    pub(crate) cost: Arc<PutCost>,
    /// The last run of the chunk before, when it lies so close to the border that the next chunk may go on with it.
    pub(crate) tail: Option<Tail>,
    pub(crate) read_bytes: u64,
    pub(crate) changed_bytes: u64,
    /// The pool said of a block that it had not changed, and it had.
    pub(crate) was_misled: bool,
}

/// Changed blocks and the unchanged ones behind them, up to the border.
#[derive(Debug)]
pub(crate) struct Tail {
    offset: u64,
    hashes: Vec<Hash>,
    changed_blocks: usize,
}

impl Comparer {
    pub(crate) async fn compare(&mut self, hashed: HashedChunk) -> Result<Vec<Outcome>> {
        let HashedChunk { chunk, mut hashes, claim, mut data, read_bytes } = hashed;
        let changed = self.changed(&mut hashes, &claim).await?;
        self.read_bytes += read_bytes;
        self.changed_bytes += changed.iter().map(|blocks| self.bytes_of(blocks, chunk).len() as u64).sum::<u64>();

        let kept = self.resume.take(chunk, &hashes, self.hasher.block_bytes());
        let is_free = |gap: Range<usize>| {
            claim.has_bytes(gap.clone())
                && !kept.iter().any(|(blocks, _)| blocks.start < gap.end && gap.start < blocks.end)
        };
        let runs = without(changed, kept.iter().map(|(blocks, _)| blocks));
        let mut runs = join(runs, self.gap_max(), is_free);
        if !runs.iter().all(|blocks| claim.has_bytes(blocks.clone())) {
            return Err(Error::internal("An object was planned over blocks that were not read."));
        }

        let mut outcomes = Vec::new();
        outcomes.extend(self.over_the_border(&mut runs, &hashes, chunk, is_free));
        self.hold_tail(&mut runs, &hashes, chunk, is_free);
        let stored = kept.iter().map(|(_, stored)| stored.length).sum::<u64>();
        let planned = runs.iter().map(|blocks| self.bytes_of(blocks, chunk).len() as u64).sum::<u64>();
        outcomes.push(Outcome::Unchanged((chunk.length as u64).saturating_sub(stored + planned)));
        outcomes.extend(kept.into_iter().map(|(_, stored)| Outcome::Kept(stored)));
        outcomes.extend(runs.into_iter().map(|blocks| self.put_run(chunk, blocks, &hashes, &mut data)));
        self.spool.push(hashes).await;
        Ok(outcomes)
    }

    /// What waited for a chunk that does not come.
    pub(crate) fn end(&mut self) -> Option<Outcome> {
        let tail = self.tail.take()?;
        Some(self.put_blocks(tail.offset, &tail.hashes[..tail.changed_blocks]))
    }

    async fn changed(&mut self, hashes: &mut [Hash], claim: &Claim) -> Result<Vec<Range<usize>>> {
        let Some(parent) = &mut self.parent else { return Ok(std::iter::once(0..hashes.len()).collect()) };
        let parents = parent.next(hashes.len()).await?;
        if claim.settle(hashes, &parents) {
            return Ok(changed_runs(hashes, &parents));
        }
        self.was_misled = true;
        Err(Error::internal("The pool's word about what changed does not hold."))
    }

    /// Blocks between two runs that cost less to store than another object; none for a full backup, which has no gaps.
    fn gap_max(&self) -> usize {
        match self.parent {
            Some(_) => self.cost.gap_bytes_max() / self.hasher.block_bytes(),
            None => 0,
        }
    }

    fn bytes_of(&self, blocks: &Range<usize>, chunk: Chunk) -> Range<usize> {
        let block = self.hasher.block_bytes();
        blocks.start * block..(blocks.end * block).min(chunk.length)
    }

    /// The tail, joined with the chunk's first run where that is worth it, which then is no run any more.
    fn over_the_border(
        &mut self,
        runs: &mut Vec<Range<usize>>,
        hashes: &[Hash],
        chunk: Chunk,
        is_free: impl Fn(Range<usize>) -> bool,
    ) -> Option<Outcome> {
        let Tail { offset, hashes: tail, changed_blocks } = self.tail.take()?;
        let joined = runs.first().cloned().filter(|first| {
            let gap = tail.len() - changed_blocks + first.start;
            let fits = first.end * self.hasher.block_bytes() <= TAIL_BYTES_MAX.min(chunk.length);
            let worth = gap <= self.gap_max() && gap <= changed_blocks + first.len();
            fits && worth && is_free(0..first.start)
        });
        let Some(first) = joined else { return Some(self.put_blocks(offset, &tail[..changed_blocks])) };
        runs.remove(0);
        Some(self.put_blocks(offset, &[&tail, &hashes[..first.end]].concat()))
    }

    /// Takes the chunk's last run out of `runs` where the next chunk may go on with it.
    fn hold_tail(
        &mut self,
        runs: &mut Vec<Range<usize>>,
        hashes: &[Hash],
        chunk: Chunk,
        is_free: impl Fn(Range<usize>) -> bool,
    ) {
        let (Some(last), Some(_)) = (runs.last().cloned(), &self.parent) else { return };
        let block = self.hasher.block_bytes();
        let gap = hashes.len() - last.end;
        let fits = chunk.length.is_multiple_of(block) && chunk.length - last.start * block <= TAIL_BYTES_MAX;
        let worth = gap <= self.gap_max() && gap <= last.len();
        if !fits || !worth || !is_free(last.end..hashes.len()) {
            return;
        }
        runs.pop();
        let offset = chunk.offset + (last.start * block) as u64;
        self.tail = Some(Tail { offset, hashes: hashes[last.start..].to_vec(), changed_blocks: last.len() });
    }

    /// A run that is all of the chunk takes the bytes that were kept.
    fn put_run(&mut self, chunk: Chunk, blocks: Range<usize>, hashes: &[Hash], data: &mut Option<Data>) -> Outcome {
        let bytes = self.bytes_of(&blocks, chunk);
        let hashes = &hashes[blocks];
        let whole = bytes.len() == chunk.length;
        let content = if self.hasher.are_zero(hashes, bytes.len()) {
            if whole { Content::Hole } else { Content::Zeros }
        } else if let Some(data) = data.take_if(|_| whole) {
            Content::Data(data)
        } else {
            // Not copied: parts of a chunk that was kept are rare, they are what an earlier attempt left over.
            let lease = data.as_mut().and_then(|data| data.lease.as_mut()?.split(bytes.len() as u64));
            Content::Planned(Planned { hashes: hashes.to_vec(), lease })
        };
        self.put(chunk.offset + bytes.start as u64, bytes.len(), hashes, content)
    }

    /// Whole blocks, wherever a chunk ends.
    fn put_blocks(&mut self, offset: u64, hashes: &[Hash]) -> Outcome {
        let length = hashes.len() * self.hasher.block_bytes();
        let content = if self.hasher.are_zero(hashes, length) {
            Content::Zeros
        } else {
            Content::Planned(Planned { hashes: hashes.to_vec(), lease: None })
        };
        self.put(offset, length, hashes, content)
    }

    fn put(&mut self, offset: u64, length: usize, hashes: &[Hash], content: Content) -> Outcome {
        Outcome::Put(Upload { name: self.resume.next_name(), offset, length, digest: digest(hashes), content })
    }
}
