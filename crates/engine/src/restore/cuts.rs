//! Blocks that are cut between two objects, which only the backups of other programs have: their parts are put together in
//! a local file and proven when all objects have been read.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use domain::{Error, Result};

use super::hash_list::spool_failed;
use super::job::Job;
use super::ownership::Segment;
use super::prove::Mismatch;
use super::survey::Need;
use crate::work::Stop;

#[derive(Debug)]
pub(crate) struct CutBlocks {
    /// By index in the volume, ordered.
    blocks: Vec<u64>,
    block_bytes: u64,
    /// Has a slot for each, and no name.
    file: Option<File>,
}

impl CutBlocks {
    /// Blocking.
    pub(crate) fn new(blocks: Vec<u64>, block_bytes: u64, spool_dir: &Path) -> Result<Self> {
        let file = if blocks.is_empty() { None } else { Some(tempfile::tempfile_in(spool_dir).map_err(spool_failed)?) };
        if let Some(file) = &file {
            // What no object holds is zero.
            file.set_len(blocks.len() as u64 * block_bytes).map_err(spool_failed)?;
        }
        Ok(Self { blocks, block_bytes, file })
    }

    /// A part of one block.
    pub(crate) fn write(&self, offset: u64, part: &[u8]) -> Result<()> {
        let (file, at) = self.slot(offset)?;
        file.write_all_at(part, at).map_err(spool_failed)
    }

    fn read(&self, offset: u64, block: &mut [u8]) -> Result<()> {
        let (file, at) = self.slot(offset)?;
        file.read_exact_at(block, at).map_err(spool_failed)
    }

    fn slot(&self, offset: u64) -> Result<(&File, u64)> {
        let slot = self.blocks.binary_search(&(offset / self.block_bytes));
        let (Some(file), Ok(slot)) = (&self.file, slot) else {
            return Err(Error::internal("The plan of the restore does not know a block that is cut."));
        };
        Ok((file, slot as u64 * self.block_bytes + offset % self.block_bytes))
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        size_of_val(self.blocks.as_slice()) as u64
    }
}

impl Job {
    /// Proves all blocks that are cut, and passes them on.
    pub(crate) async fn join_cuts(self: &Arc<Self>) -> Result<()> {
        let mut done = 0;
        let mut tried = None;
        while done < self.cuts.blocks.len() {
            let this = Arc::clone(self);
            let (behind, wrong) = self.work.blocking(move |stop| this.join_from(done, stop)).await?;
            done = behind;
            if let Some(mismatch) = wrong {
                if tried == Some(behind) {
                    return Err(self.explain_cut(mismatch));
                }
                self.fetch_parts(mismatch).await?;
                tried = Some(behind);
            }
        }
        Ok(())
    }

    /// From the block in slot `first` on to the first that is wrong.
    fn join_from(&self, first: usize, stop: &Stop) -> Result<(usize, Option<Mismatch>)> {
        let mut block = Vec::new();
        for (slot, index) in self.cuts.blocks.iter().enumerate().skip(first) {
            stop.check()?;
            let bytes = self.block(*index);
            let expected = self.hashes.of(bytes.clone())?;
            if !self.target.holds(bytes.clone(), &expected, &self.hasher)?.iter().all(|&held| held) {
                block.resize(usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX), 0);
                self.cuts.read(bytes.start, &mut block)?;
                let found = self.hasher.hash(&block);
                for expected in expected {
                    if found != expected {
                        return Ok((slot, Some(Mismatch { offset: bytes.start, expected, found })));
                    }
                }
                self.target.write(bytes.start, &block)?;
            }
            self.progress.add(bytes.end - bytes.start);
        }
        Ok((self.cuts.blocks.len(), None))
    }

    fn block(&self, index: u64) -> Range<u64> {
        let start = index * self.block_bytes();
        start..self.volume_bytes.min(start + self.block_bytes())
    }

    fn owners_of_block(&self, offset: u64) -> &[Segment] {
        self.ownership.owners_of(self.block(offset / self.block_bytes()))
    }

    /// The parts of a block from the store once more.
    async fn fetch_parts(self: &Arc<Self>, wrong: Mismatch) -> Result<()> {
        tracing::warn!(%wrong, "a block does not match its hash; its objects are fetched again");
        let block = self.block(wrong.offset / self.block_bytes());
        for segment in self.owners_of_block(wrong.offset) {
            let bytes = segment.start.max(block.start)..segment.end.min(block.end);
            self.fetch(segment.owner, vec![Need { bytes, whole: false }]).await?;
        }
        Ok(())
    }

    fn explain_cut(&self, mismatch: Mismatch) -> Error {
        let owners = self.owners_of_block(mismatch.offset);
        let names: Vec<String> = owners.iter().filter_map(|s| Some(self.find(s.owner).ok()?.1.name)).take(3).collect();
        let names = names.join(", ");
        Error::damaged(format!("The objects {names} together do not match the backup's hashes {mismatch}."))
            .with_source(mismatch)
    }
}
