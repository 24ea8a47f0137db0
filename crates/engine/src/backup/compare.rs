//! The second stage of a backup, one chunk after the other: spools the hashes, compares them with the parent's, and
//! decides which objects there will be and what they are called.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use domain::{Error, Result};

use super::cost::PutCost;
use super::parent::ParentHashes;
use super::plan::{Chunk, changed_runs, join, without};
use super::read::{Data, HashedChunk};
use super::resume::{Resume, digest};
use super::spool::HashSpool;
use super::trust::Claim;
use crate::budget::Buffers;
use crate::hash::{BlockHasher, Hash};
use crate::port::Stored;
use crate::work::compute;

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
    /// All zeros; of whole chunks or of a part of one.
    ZeroChunks,
    Zeros,
    Data(Data),
}

/// What passed so far, and what the next chunk is compared with.
#[derive(Debug)]
pub(crate) struct Comparer {
    pub(crate) parent: Option<ParentHashes>,
    pub(crate) spool: HashSpool,
    pub(crate) resume: Resume,
    pub(crate) hasher: BlockHasher,
    pub(crate) buffers: Arc<Buffers>,
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
    bytes: Bytes,
    hashes: Vec<Hash>,
    changed_blocks: usize,
}

/// A run of blocks of one chunk that becomes an object.
struct Run {
    bytes: Range<usize>,
    digest: Hash,
    /// All of it.
    zero: bool,
}

impl Comparer {
    pub(crate) async fn compare(&mut self, hashed: HashedChunk) -> Result<Vec<Outcome>> {
        let HashedChunk { chunk, mut hashes, claim, data, read_bytes } = hashed;
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
        outcomes.extend(self.over_the_border(&mut runs, &hashes, data.as_ref(), is_free));
        self.hold_tail(&mut runs, chunk, &hashes, data.as_ref(), is_free);
        let runs: Vec<Run> = runs.into_iter().map(|blocks| self.describe(&hashes, blocks, chunk)).collect();
        self.spool.push(hashes).await;

        let stored = kept.iter().map(|(_, stored)| stored.length).sum::<u64>();
        let planned = runs.iter().map(|run| run.bytes.len() as u64).sum::<u64>();
        outcomes.push(Outcome::Unchanged((chunk.length as u64).saturating_sub(stored + planned)));
        outcomes.extend(kept.into_iter().map(|(_, stored)| Outcome::Kept(stored)));
        outcomes.extend(self.uploads(chunk, data, runs).await?);
        Ok(outcomes)
    }

    /// What waited for a chunk that does not come.
    pub(crate) fn end(&mut self) -> Option<Outcome> {
        let tail = self.tail.take()?;
        Some(self.put_alone(tail))
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
        data: Option<&Data>,
        is_free: impl Fn(Range<usize>) -> bool,
    ) -> Option<Outcome> {
        let tail = self.tail.take()?;
        let (Some(first), Some(data)) = (runs.first().cloned(), data) else { return Some(self.put_alone(tail)) };
        let gap = tail.hashes.len() - tail.changed_blocks + first.start;
        let end = first.end * self.hasher.block_bytes();
        let fits = end <= TAIL_BYTES_MAX.min(data.bytes.len());
        let worth = gap <= self.gap_max() && gap <= tail.changed_blocks + first.len();
        if !fits || !worth || !is_free(0..first.start) {
            return Some(self.put_alone(tail));
        }
        runs.remove(0);
        let mut bytes = BytesMut::with_capacity(tail.bytes.len() + end);
        bytes.extend_from_slice(&tail.bytes);
        bytes.extend_from_slice(&data.bytes[..end]);
        let hashes = [&tail.hashes, &hashes[..first.end]].concat();
        Some(self.put(tail.offset, bytes.freeze(), &hashes))
    }

    fn put_alone(&mut self, tail: Tail) -> Outcome {
        let Tail { offset, mut bytes, hashes, changed_blocks } = tail;
        bytes.truncate(changed_blocks * self.hasher.block_bytes());
        self.put(offset, bytes, &hashes[..changed_blocks])
    }

    /// An object so small that it counts for no memory.
    fn put(&mut self, offset: u64, bytes: Bytes, hashes: &[Hash]) -> Outcome {
        let (length, digest) = (bytes.len(), digest(hashes));
        let content = Content::Data(Data { bytes, lease: None });
        Outcome::Put(Upload { name: self.resume.next_name(), offset, length, digest, content })
    }

    /// Takes the chunk's last run out of `runs` where the next chunk may go on with it.
    fn hold_tail(
        &mut self,
        runs: &mut Vec<Range<usize>>,
        chunk: Chunk,
        hashes: &[Hash],
        data: Option<&Data>,
        is_free: impl Fn(Range<usize>) -> bool,
    ) {
        let (Some(last), Some(data), Some(_)) = (runs.last().cloned(), data, &self.parent) else { return };
        let block = self.hasher.block_bytes();
        let gap = hashes.len() - last.end;
        let fits = chunk.length.is_multiple_of(block) && chunk.length - last.start * block <= TAIL_BYTES_MAX;
        let worth = gap <= self.gap_max() && gap <= last.len();
        if !fits || !worth || !is_free(last.end..hashes.len()) {
            return;
        }
        runs.pop();
        self.tail = Some(Tail {
            offset: chunk.offset + (last.start * block) as u64,
            bytes: Bytes::copy_from_slice(&data.bytes[last.start * block..]),
            hashes: hashes[last.start..].to_vec(),
            changed_blocks: last.len(),
        });
    }

    fn describe(&self, hashes: &[Hash], blocks: Range<usize>, chunk: Chunk) -> Run {
        let block = self.hasher.block_bytes();
        let bytes = self.bytes_of(&blocks, chunk);
        let hashes = &hashes[blocks];
        let zero = hashes.iter().enumerate().all(|(index, hash)| {
            let start = bytes.start + index * block;
            self.hasher.is_zero_hash(hash, block.min(bytes.end - start))
        });
        Run { bytes, digest: digest(hashes), zero }
    }

    async fn uploads(&mut self, chunk: Chunk, data: Option<Data>, runs: Vec<Run>) -> Result<Vec<Outcome>> {
        let contents = self.contents(chunk.length, data, &runs).await?;
        let uploads = runs.into_iter().zip(contents).map(|(run, content)| {
            let (offset, length) = (chunk.offset + run.bytes.start as u64, run.bytes.len());
            Outcome::Put(Upload { name: self.resume.next_name(), offset, length, digest: run.digest, content })
        });
        Ok(uploads.collect())
    }

    /// One content per run. A run that is the whole chunk takes the chunk's buffer; parts are copied out, so that the
    /// buffer is free again at once and each part's memory goes when its object is stored.
    async fn contents(&self, chunk_length: usize, data: Option<Data>, runs: &[Run]) -> Result<Vec<Content>> {
        let runs: Vec<(Range<usize>, bool)> = runs.iter().map(|run| (run.bytes.clone(), run.zero)).collect();
        let zeros = |range: &Range<usize>| {
            if range.len() == chunk_length { Content::ZeroChunks } else { Content::Zeros }
        };
        let Some(mut data) = data else { return Ok(runs.iter().map(|(range, _)| zeros(range)).collect()) };
        if let [(range, false)] = &runs[..]
            && range.len() == chunk_length
        {
            return Ok(vec![Content::Data(data)]);
        }
        let buffers = Arc::clone(&self.buffers);
        compute(move || {
            let cut = |(range, zero): (Range<usize>, bool)| {
                if zero {
                    return Content::Zeros;
                }
                let lease = data.lease.as_mut().and_then(|lease| lease.split(range.len() as u64));
                Content::Data(Data { bytes: Bytes::copy_from_slice(&data.bytes[range]), lease })
            };
            let contents = runs.into_iter().map(cut).collect();
            buffers.give_back(data.bytes);
            Ok(contents)
        })
        .await
    }
}
