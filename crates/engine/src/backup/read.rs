//! The first stage of a backup: reads a chunk and hashes its blocks while they are in the processor's cache.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::Result;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use volume::BlockDevice;

use super::plan::{Chunk, Plan};
use super::trust::{Claim, Trust};
use crate::budget::{Budget, Buffers, Lease};
use crate::hash::{BlockHasher, Hash, hole_chunks, is_zero};
use crate::work::{Stop, Work, cores};

/// Read at once, then hashed: about what a core's second-level cache holds.
const PIECE_BYTES: usize = 1 << 20;

/// One chunk, hashed.
#[derive(Debug)]
pub(crate) struct HashedChunk {
    pub(crate) chunk: Chunk,
    /// One per block, in order; complete once the claim is settled.
    pub(crate) hashes: Vec<Hash>,
    pub(crate) claim: Claim,
    /// `None` when all that was read of the chunk is zero.
    pub(crate) data: Option<Data>,
    /// Bytes that had to be read.
    pub(crate) read_bytes: u64,
}

/// A chunk's bytes and the memory they are accounted to.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) bytes: Bytes,
    /// None for what is too small to count.
    pub(crate) lease: Option<Lease>,
}

/// Reads chunks of one volume.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) source: Arc<dyn BlockDevice>,
    pub(crate) plan: Plan,
    /// With it, not everything is read.
    pub(crate) trust: Option<Trust>,
    pub(crate) hasher: BlockHasher,
    pub(crate) budget: Budget,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) work: Work,
}

/// A chunk, the parts of it that hold data, and the memory for them.
#[derive(Debug)]
pub(crate) struct PlannedChunk {
    chunk: Chunk,
    /// Within the chunk; none in a chunk that is known to be zero, or unchanged.
    data_ranges: Vec<Range<usize>>,
    claim: Claim,
    lease: Option<Lease>,
}

impl Reader {
    /// Hashed chunks in the order of offsets, several of them worked on at a time.
    pub(crate) fn hashed_chunks(self: Arc<Self>) -> impl Stream<Item = Result<HashedChunk>> + Send {
        let (mapper, lessee, hasher) = (Arc::clone(&self), Arc::clone(&self), self);
        stream::iter(mapper.plan.chunks())
            .chunks(mapper.hole_chunks())
            .map(move |chunks| Arc::clone(&mapper).map(chunks))
            .buffered(cores())
            .map_ok(|planned| stream::iter(planned.into_iter().map(Ok)))
            .try_flatten()
            // One after the other: were a later chunk to get the last memory, it would wait for an earlier one that gets none.
            .and_then(move |planned| Arc::clone(&lessee).lease(planned))
            .map_ok(move |planned| Arc::clone(&hasher).hash(planned))
            .try_buffered(cores())
    }

    async fn map(self: Arc<Self>, chunks: Vec<Chunk>) -> Result<Vec<PlannedChunk>> {
        let this = Arc::clone(&self);
        let map = move |_: &Stop| {
            let planned = chunks.iter().map(|chunk| this.plan_chunk(*chunk)).collect::<Result<Vec<_>>>()?;
            Ok(this.one_hole(&planned).map_or(planned, |hole| vec![hole]))
        };
        self.work.blocking(map).await
    }

    fn plan_chunk(&self, chunk: Chunk) -> Result<PlannedChunk> {
        let extents = self.source.extents(chunk.offset, chunk.length as u64)?;
        let data_ranges = chunk.data_ranges(&extents, self.plan.block_bytes);
        let (data_ranges, claim) = match &self.trust {
            Some(trust) => trust.claim(chunk, &data_ranges),
            None => (data_ranges, Claim::default()),
        };
        Ok(PlannedChunk { chunk, data_ranges, claim, lease: None })
    }

    fn hole_chunks(&self) -> usize {
        usize::try_from(hole_chunks(self.plan.chunk_bytes)).unwrap_or(1)
    }

    /// The chunks as one, when they are as many as may be one, and nothing but holes.
    fn one_hole(&self, planned: &[PlannedChunk]) -> Option<PlannedChunk> {
        let is_hole = |planned: &PlannedChunk| {
            let whole = planned.chunk.length as u64 == self.plan.chunk_bytes;
            whole && planned.data_ranges.is_empty() && self.trust.is_none()
        };
        let all = planned.len() == self.hole_chunks() && planned.iter().all(is_hole);
        let first = planned.first().filter(|_| all)?.chunk;
        let chunk = Chunk { offset: first.offset, length: first.length * planned.len() };
        Some(PlannedChunk { chunk, data_ranges: Vec::new(), claim: Claim::default(), lease: None })
    }

    /// Chunks without data need no memory.
    async fn lease(self: Arc<Self>, mut planned: PlannedChunk) -> Result<PlannedChunk> {
        if !planned.data_ranges.is_empty() {
            planned.lease = Some(self.budget.lease(planned.chunk.length as u64).await?);
        }
        Ok(planned)
    }

    async fn hash(self: Arc<Self>, planned: PlannedChunk) -> Result<HashedChunk> {
        let PlannedChunk { chunk, data_ranges, claim, lease } = planned;
        let Some(lease) = lease else {
            let hashes = self.zero_hashes(chunk.length);
            return Ok(HashedChunk { chunk, hashes, claim, data: None, read_bytes: 0 });
        };
        let this = Arc::clone(&self);
        self.work.blocking(move |stop| this.read_data(chunk, &data_ranges, claim, lease, stop)).await
    }

    fn read_data(
        &self,
        chunk: Chunk,
        ranges: &[Range<usize>],
        claim: Claim,
        lease: Lease,
        stop: &Stop,
    ) -> Result<HashedChunk> {
        let mut buffer = self.buffers.take(chunk.length);
        let mut hashes = Vec::with_capacity(chunk.length.div_ceil(self.plan.block_bytes));
        let piece_bytes = PIECE_BYTES.next_multiple_of(self.plan.block_bytes);
        let (mut at, mut all_zero, mut read_bytes) = (0, true, 0);
        for range in ranges {
            self.zero_holes(&mut buffer, at..range.start, &claim);
            hashes.extend(self.zero_hashes(range.start - at));
            for start in range.clone().step_by(piece_bytes) {
                stop.check()?;
                let piece = &mut buffer[start..range.end.min(start + piece_bytes)];
                self.source.read_at(chunk.offset + start as u64, piece)?;
                read_bytes += piece.len() as u64;
                all_zero = all_zero && is_zero(piece);
                self.hasher.hash_all(piece, &mut hashes);
            }
            at = range.end;
        }
        self.zero_holes(&mut buffer, at..chunk.length, &claim);
        hashes.extend(self.zero_hashes(chunk.length - at));
        let bytes = buffer.freeze();
        let data = if all_zero {
            self.buffers.give_back(bytes);
            None
        } else {
            Some(Data { bytes, lease: Some(lease) })
        };
        Ok(HashedChunk { chunk, hashes, claim, data, read_bytes })
    }

    /// Holes that did not change are left alone: for a few others, memory for all of a chunk would be touched.
    fn zero_holes(&self, buffer: &mut [u8], gap: Range<usize>, claim: &Claim) {
        let block = self.plan.block_bytes;
        for start in gap.clone().step_by(block) {
            if claim.has_bytes(start / block..start / block + 1) {
                buffer[start..gap.end.min(start + block)].fill(0);
            }
        }
    }

    /// The hashes of `length` zeros that start at a block's boundary.
    fn zero_hashes(&self, length: usize) -> Vec<Hash> {
        let block = self.plan.block_bytes;
        (0..length).step_by(block).map(|start| self.hasher.zero_hash(block.min(length - start))).collect()
    }
}
