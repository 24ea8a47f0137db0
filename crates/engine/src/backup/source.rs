//! The volume as a backup reads it, and again where it is stored without having been kept.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Error, Kind, Result};
use volume::BlockDevice;

use super::plan::Plan;
use super::read::Data;
use crate::budget::{Budget, Buffers, Lease};
use crate::hash::{BlockHasher, Hash};
use crate::work::{Stop, Work};

/// What all stages know of the volume, and the memory for its bytes.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) plan: Plan,
    pub(crate) hasher: BlockHasher,
    pub(crate) budget: Budget,
    pub(crate) buffers: Buffers,
    pub(crate) work: Work,
}

/// Blocks to be stored, of which the bytes were not kept.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) hashes: Vec<Hash>,
    /// For their bytes; none before there is room.
    pub(crate) lease: Option<Lease>,
}

impl Source {
    /// Waits for room for the bytes.
    pub(crate) async fn admit(&self, planned: &mut Planned, length: usize) -> Result<()> {
        if planned.lease.is_none() {
            planned.lease = Some(self.budget.lease(length as u64).await?);
        }
        Ok(())
    }

    /// The bytes of blocks that were hashed before, which are in the system's cache as a rule.
    ///
    /// # Errors
    /// `Conflict` when they are others now: somebody writes to a volume that must stand still.
    pub(crate) async fn read_again(self: &Arc<Self>, offset: u64, length: usize, planned: Planned) -> Result<Data> {
        let this = Arc::clone(self);
        let read = move |stop: &Stop| {
            let bytes = this.read_blocks(offset, length, &planned.hashes, stop)?;
            Ok(Data { bytes, lease: planned.lease })
        };
        self.work.blocking(read).await
    }

    fn read_blocks(&self, offset: u64, length: usize, hashes: &[Hash], stop: &Stop) -> Result<Bytes> {
        let (piece_bytes, block) = (self.plan.piece_bytes(), self.plan.block_bytes);
        let mut buffer = self.buffers.take(length);
        let mut found = Vec::with_capacity(piece_bytes / block);
        let places = (offset..).step_by(piece_bytes);
        for ((piece, planned), at) in buffer.chunks_mut(piece_bytes).zip(hashes.chunks(piece_bytes / block)).zip(places)
        {
            stop.check()?;
            if self.hasher.are_zero(planned, piece.len()) {
                // A hole, for the most part.
                piece.fill(0);
                continue;
            }
            self.device.read_at(at, piece)?;
            found.clear();
            self.hasher.hash_all(piece, &mut found);
            if found != planned {
                let changed = format!("The volume was written to, near byte {at}, while it was backed up.");
                return Err(Error::new(Kind::Conflict, changed));
            }
        }
        Ok(buffer.freeze())
    }
}
