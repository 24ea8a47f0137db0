//! The first stage of a backup: reads a chunk and hashes its blocks while they are in the processor's cache. Of a backup
//! with a parent it keeps the hashes only, since hardly any of the bytes will be stored.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::Result;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use volume::ExtentKind;

use super::plan::Chunk;
use super::source::Source;
use super::trust::{Claim, Trust};
use crate::budget::{Buffers, Lease};
use crate::hash::{Hash, is_zero};
use crate::work::{Stop, cores};
use crate::zeros::row_chunks;

/// One chunk, hashed.
#[derive(Debug)]
pub(crate) struct HashedChunk {
    pub(crate) chunk: Chunk,
    /// One per block, in order; complete once the claim is settled.
    pub(crate) hashes: Vec<Hash>,
    pub(crate) claim: Claim,
    /// `None` when all of the chunk is zero, and where bytes are not kept.
    pub(crate) data: Option<Data>,
    /// Bytes that had to be read.
    pub(crate) read_bytes: u64,
}

/// Bytes of the volume and the memory they are accounted to.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) bytes: Bytes,
    pub(crate) lease: Option<Lease>,
}

/// Reads chunks of one volume.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) source: Arc<Source>,
    /// With it, not everything is read.
    pub(crate) trust: Option<Trust>,
    /// Whether all that is read will be stored, as far as anybody knows.
    pub(crate) keeps: bool,
    /// Where pieces lie that are not kept, one after the other.
    pub(crate) windows: Buffers,
}

/// A chunk, the parts of it that hold data, and the memory for them.
#[derive(Debug)]
pub(crate) struct PlannedChunk {
    chunk: Chunk,
    /// Within the chunk; none in a chunk that is known to be zero, or unchanged.
    data_ranges: Vec<Range<usize>>,
    claim: Claim,
    /// None where the bytes are not kept.
    lease: Option<Lease>,
}

impl Reader {
    /// Hashed chunks in the order of offsets, several of them worked on at a time.
    pub(crate) fn hashed_chunks(self: Arc<Self>) -> impl Stream<Item = Result<HashedChunk>> + Send {
        let (mapper, lessee, hasher) = (Arc::clone(&self), Arc::clone(&self), self);
        stream::iter(mapper.source.plan.chunks())
            .chunks(mapper.row_chunks())
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
            if this.keeps {
                return this.plan_row(&chunks);
            }
            let planned = chunks.iter().map(|chunk| this.plan_chunk(*chunk)).collect::<Result<Vec<_>>>()?;
            Ok(this.one_hole(&planned).map_or(planned, |hole| vec![hole]))
        };
        self.source.work.blocking(map).await
    }

    /// The chunks, cut at their holes.
    fn plan_row(&self, chunks: &[Chunk]) -> Result<Vec<PlannedChunk>> {
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return Ok(Vec::new()) };
        let Source { device, plan, .. } = &*self.source;
        let row = first.offset..last.offset + last.length as u64;
        let extents = device.extents(row.start, row.end - row.start)?;
        let data = extents.iter().filter(|extent| extent.kind == ExtentKind::Data);
        let data: Vec<_> = data.map(|extent| extent.offset..extent.offset + extent.length).collect();
        let planned = plan.cut(row, &data).into_iter().map(|chunk| {
            let data_ranges = chunk.data_ranges(&extents, plan.block_bytes);
            PlannedChunk { chunk, data_ranges, claim: Claim::default(), lease: None }
        });
        Ok(planned.collect())
    }

    fn plan_chunk(&self, chunk: Chunk) -> Result<PlannedChunk> {
        let extents = self.source.device.extents(chunk.offset, chunk.length as u64)?;
        let data_ranges = chunk.data_ranges(&extents, self.source.plan.block_bytes);
        let (data_ranges, claim) = match &self.trust {
            Some(trust) => trust.claim(chunk, &data_ranges),
            None => (data_ranges, Claim::default()),
        };
        Ok(PlannedChunk { chunk, data_ranges, claim, lease: None })
    }

    fn row_chunks(&self) -> usize {
        usize::try_from(row_chunks(self.source.plan.chunk_bytes)).unwrap_or(1)
    }

    /// The chunks as one, when they are as many as may be one, and nothing but holes.
    fn one_hole(&self, planned: &[PlannedChunk]) -> Option<PlannedChunk> {
        let is_hole = |planned: &PlannedChunk| {
            let whole = planned.chunk.length as u64 == self.source.plan.chunk_bytes;
            whole && planned.data_ranges.is_empty() && self.trust.is_none()
        };
        let all = planned.len() == self.row_chunks() && planned.iter().all(is_hole);
        let first = planned.first().filter(|_| all)?.chunk;
        let chunk = Chunk { offset: first.offset, length: first.length * planned.len() };
        Some(PlannedChunk { chunk, data_ranges: Vec::new(), claim: Claim::default(), lease: None })
    }

    /// Only for bytes that are kept.
    async fn lease(self: Arc<Self>, mut planned: PlannedChunk) -> Result<PlannedChunk> {
        if self.keeps && !planned.data_ranges.is_empty() {
            planned.lease = Some(self.source.budget.lease(planned.chunk.length as u64).await?);
        }
        Ok(planned)
    }

    async fn hash(self: Arc<Self>, planned: PlannedChunk) -> Result<HashedChunk> {
        if planned.data_ranges.is_empty() {
            let hashes = self.zero_hashes(planned.chunk.length);
            return Ok(HashedChunk { chunk: planned.chunk, hashes, claim: planned.claim, data: None, read_bytes: 0 });
        }
        let this = Arc::clone(&self);
        self.source.work.blocking(move |stop| this.read_data(planned, stop)).await
    }

    fn read_data(&self, planned: PlannedChunk, stop: &Stop) -> Result<HashedChunk> {
        let PlannedChunk { chunk, data_ranges, claim, lease } = planned;
        let Source { device, plan, hasher, buffers, .. } = &*self.source;
        let piece_bytes = plan.piece_bytes();
        let keeps = lease.is_some();
        let (buffers, length) =
            if keeps { (buffers, chunk.length) } else { (&self.windows, piece_bytes.min(chunk.length)) };
        let mut buffer = buffers.take(length);
        let mut hashes = Vec::with_capacity(chunk.length.div_ceil(plan.block_bytes));
        let (mut at, mut all_zero, mut read_bytes) = (0, true, 0);
        for range in data_ranges {
            if keeps {
                buffer[at..range.start].fill(0);
            }
            hashes.extend(self.zero_hashes(range.start - at));
            for start in range.clone().step_by(piece_bytes) {
                stop.check()?;
                let length = piece_bytes.min(range.end - start);
                let place = if keeps { start } else { 0 };
                let piece = &mut buffer[place..place + length];
                device.read_at(chunk.offset + start as u64, piece)?;
                read_bytes += length as u64;
                all_zero = all_zero && is_zero(piece);
                hasher.hash_all(piece, &mut hashes);
            }
            at = range.end;
        }
        if keeps {
            buffer[at..].fill(0);
        }
        hashes.extend(self.zero_hashes(chunk.length - at));
        let bytes = buffer.freeze();
        let data = if keeps && !all_zero {
            Some(Data { bytes, lease })
        } else {
            buffers.give_back(bytes, lease);
            None
        };
        Ok(HashedChunk { chunk, hashes, claim, data, read_bytes })
    }

    /// The hashes of `length` zeros that start at a block's boundary.
    fn zero_hashes(&self, length: usize) -> Vec<Hash> {
        let Source { plan, hasher, .. } = &*self.source;
        let block = plan.block_bytes;
        (0..length).step_by(block).map(|start| hasher.zero_hash(block.min(length - start))).collect()
    }
}
