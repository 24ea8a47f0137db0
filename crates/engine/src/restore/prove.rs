//! Holds the blocks of an object against the backup's hashes as they are decoded, and passes on what is proven.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Error, Result};
use stdx::hex;

use super::job::Job;
use super::survey::Need;
use crate::hash::Hash;
use crate::work::Stop;

/// Collected before it is hashed where it comes in other pieces than blocks; small enough for the processor's cache.
const WINDOW_BYTES: u64 = 256 << 10;

/// Written before the disk is given it, which would idle until the end otherwise: few and large requests.
const BEGIN_SYNC_BYTES: u64 = 8 << 20;

/// A block that is not what it should be. The source of an error of kind `Damaged`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mismatch {
    pub(crate) offset: u64,
    pub(crate) expected: Hash,
    pub(crate) found: Hash,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = (hex::encode(&self.expected), hex::encode(&self.found));
        write!(f, "at offset {}: expected SHA-256 {expected}, found {found}", self.offset)
    }
}

impl std::error::Error for Mismatch {}

impl Mismatch {
    fn error(self) -> Error {
        Error::damaged(format!("The backup's data does not match its hashes {self}.")).with_source(self)
    }
}

/// Takes an object's bytes in order and picks out what is needed.
pub(crate) struct Prover<'a> {
    job: &'a Job,
    stop: &'a Stop,
    /// Offset in the volume of the next byte that comes.
    at: u64,
    needs: &'a [Need],
    /// Whole blocks that are not complete yet, from `start`.
    buffer: Vec<u8>,
    start: u64,
    /// Where it begins what the disk was not given yet.
    unsynced: Option<u64>,
    /// All that is needed before this offset is proven and passed on.
    proven: &'a AtomicU64,
}

impl<'a> Prover<'a> {
    pub(crate) fn new(job: &'a Job, stop: &'a Stop, at: u64, needs: &'a [Need], proven: &'a AtomicU64) -> Self {
        Self { job, stop, at, needs, buffer: Vec::new(), start: 0, unsynced: None, proven }
    }

    /// Nothing more is needed, and the object goes on.
    pub(crate) fn is_done_before(&self, end: u64) -> bool {
        self.needs.is_empty() && self.at < end
    }

    /// After the last byte.
    pub(crate) fn finish(self) -> Result<()> {
        if self.needs.is_empty() { Ok(()) } else { Err(Error::damaged("An object of the backup ends too early.")) }
    }

    /// # Errors
    /// `Damaged` with a [`Mismatch`] as its source; the target's own.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.stop.check()?;
        let (at, end) = (self.at, self.at + bytes.len() as u64);
        while let [need, later @ ..] = self.needs
            && need.bytes.start < end
        {
            let (from, to) = (need.bytes.start.max(at), need.bytes.end.min(end));
            let within = |position: u64| usize::try_from(position - at).unwrap_or(usize::MAX);
            let piece = &bytes[within(from)..within(to)];
            if need.whole {
                self.take_blocks(from, piece, need.bytes.end)?;
            } else {
                self.job.cuts.write(from, piece)?;
                self.proven.store(to, Ordering::Relaxed);
            }
            if need.bytes.end > end {
                break;
            }
            self.needs = later;
        }
        self.at = end;
        Ok(())
    }

    /// Blocks of a need that ends at `end`; those that lie whole in `piece` are not copied.
    fn take_blocks(&mut self, mut from: u64, mut piece: &[u8], end: u64) -> Result<()> {
        let block_bytes = self.job.block_bytes();
        if !self.buffer.is_empty() {
            let window = end.min(self.start + (WINDOW_BYTES / block_bytes).max(1) * block_bytes);
            let room = usize::try_from(window - from).unwrap_or(usize::MAX);
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.buffer.extend_from_slice(now);
            (from, piece) = (from + now.len() as u64, later);
            if from < window {
                return Ok(());
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            self.prove(self.start, &buffer)?;
            buffer.clear();
            self.buffer = buffer;
        }
        let behind = from + piece.len() as u64;
        let whole = if behind == end { behind } else { behind - behind % block_bytes };
        let (now, later) = piece.split_at(usize::try_from(whole.saturating_sub(from)).unwrap_or(usize::MAX));
        if !now.is_empty() {
            self.prove(from, now)?;
        }
        self.start = from + now.len() as u64;
        self.buffer.extend_from_slice(later);
        Ok(())
    }

    /// Whole blocks: compared, and only then passed on.
    fn prove(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.job.compare(offset, bytes)?;
        let end = offset + bytes.len() as u64;
        self.job.target.write(offset, bytes)?;
        let unsynced = *self.unsynced.get_or_insert(offset);
        if end - unsynced >= BEGIN_SYNC_BYTES {
            self.job.target.begin_sync(unsynced..end);
            self.unsynced = None;
        }
        self.proven.store(end, Ordering::Relaxed);
        self.job.progress.add(bytes.len() as u64);
        Ok(())
    }
}

impl Job {
    /// # Errors
    /// `Damaged` for the first block that is wrong.
    pub(crate) fn compare(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let expected = self.hashes.of(offset..offset + bytes.len() as u64)?;
        let mut found = Vec::with_capacity(expected.len());
        self.hasher.hash_all(bytes, &mut found);
        for (index, (found, expected)) in (0..).zip(found.into_iter().zip(expected)) {
            if found != expected {
                return Err(Mismatch { offset: offset + index * self.block_bytes(), expected, found }.error());
            }
        }
        Ok(())
    }
}
