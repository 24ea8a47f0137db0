//! What a backup reads and what it stores, as data: chunks, the parts of them worth reading, runs of changed blocks.

use std::ops::Range;

use domain::{Error, Result};
use volume::{Extent, ExtentKind};

use crate::hash::Hash;
use crate::port::Settings;

/// How a volume is cut. Chunks are made one by one, so a plan costs the same for every size of volume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) volume_bytes: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) block_bytes: usize,
}

/// One chunk of the volume; the last may be short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) length: usize,
}

impl Plan {
    /// # Errors
    /// `Invalid` when the configured chunk is not a multiple of the block (contract §3.2).
    pub(crate) fn new(volume_bytes: u64, settings: &Settings) -> Result<Self> {
        let (chunk_bytes, block_bytes) = (settings.chunk_size_bytes, settings.block_size_bytes);
        if block_bytes == 0 || chunk_bytes == 0 || !chunk_bytes.is_multiple_of(block_bytes) {
            return Err(Error::invalid("Chunk size is not multiple of block size for creating hash."));
        }
        let too_large = |_| Error::invalid(format!("A chunk of {chunk_bytes} bytes does not fit into memory."));
        usize::try_from(chunk_bytes).map_err(too_large)?;
        let block_bytes = usize::try_from(block_bytes).map_err(too_large)?;
        Ok(Self { volume_bytes, chunk_bytes, block_bytes })
    }

    pub(crate) fn chunks(self) -> impl Iterator<Item = Chunk> + Send {
        (0..self.volume_bytes.div_ceil(self.chunk_bytes)).map(move |index| {
            let offset = index * self.chunk_bytes;
            let length = self.chunk_bytes.min(self.volume_bytes - offset);
            Chunk { offset, length: usize::try_from(length).unwrap_or(usize::MAX) }
        })
    }

    pub(crate) fn blocks_per_chunk(&self) -> usize {
        usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX) / self.block_bytes
    }
}

impl Chunk {
    /// The parts of the chunk that hold data, as byte ranges within it: grown to whole blocks, merged, in order. What lies
    /// between is known to be zero without reading.
    pub(crate) fn data_ranges(&self, extents: &[Extent], block_bytes: usize) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let within = |position: u64| usize::try_from(position.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        for extent in extents.iter().filter(|extent| extent.kind == ExtentKind::Data) {
            let start = within(extent.offset) / block_bytes * block_bytes;
            let end = within(extent.offset + extent.length).min(self.length);
            let end = end.next_multiple_of(block_bytes).min(self.length);
            match ranges.last_mut() {
                Some(last) if last.end >= start => last.end = last.end.max(end),
                _ if start < end => ranges.push(start..end),
                _ => {}
            }
        }
        ranges
    }
}

/// Maximal runs of blocks whose hash differs from the parent's, as ranges of block indexes; blocks that the parent did
/// not have are changed (contract §3.2).
pub(crate) fn changed_runs(hashes: &[Hash], parent: &[Hash]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, hash) in hashes.iter().enumerate() {
        if parent.get(index) == Some(hash) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(chunk_size_bytes: u64, block_size_bytes: u64) -> Settings {
        Settings {
            chunk_size_bytes,
            block_size_bytes,
            compression: format::Compression::None,
            compression_level: None,
            memory_budget_bytes: 1 << 20,
            transfers_max: 1,
            spool_dir: std::env::temp_dir(),
        }
    }

    #[test]
    fn chunks_cover_the_volume() {
        let lengths = |size: u64| -> Vec<usize> {
            Plan::new(size, &settings(8192, 4096)).unwrap().chunks().map(|chunk| chunk.length).collect()
        };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(8192), [8192]);
        assert_eq!(lengths(20_000), [8192, 8192, 3616]);
        assert!(Plan::new(1, &settings(8192, 3000)).is_err());
        assert!(Plan::new(1, &settings(8192, 0)).is_err());
    }

    #[test]
    fn runs_are_maximal() {
        let hashes = [[1; 32], [2; 32], [3; 32], [4; 32], [5; 32]];
        assert!(changed_runs(&hashes, &hashes).is_empty());
        assert_eq!(changed_runs(&hashes, &[[0; 32]]), vec![0..5]);
        assert_eq!(changed_runs(&hashes, &[[9; 32], [9; 32], [3; 32], [4; 32]]), [0..2, 4..5]);
    }

    proptest! {
        #[test]
        fn data_ranges_hold_all_data(
            offset in 0..4u64,
            length in 1..5000usize,
            data in prop::collection::vec((0..5000u64, 1..300u64), 0..6),
        ) {
            let (offset, block) = (offset * 5000, 64);
            let chunk = Chunk { offset, length };
            let mut extents: Vec<_> = data
                .iter()
                .filter(|(start, size)| start + size <= length as u64)
                .map(|&(start, length)| Extent { offset: offset + start, length, kind: ExtentKind::Data })
                .collect();
            extents.sort_by_key(|extent| extent.offset);
            let ranges = chunk.data_ranges(&extents, block);
            for extent in &extents {
                let (start, end) = ((extent.offset - offset) as usize, (extent.offset - offset + extent.length) as usize);
                prop_assert!(ranges.iter().any(|range| range.start <= start && end <= range.end));
            }
            for range in &ranges {
                prop_assert!(range.start % block == 0 && (range.end % block == 0 || range.end == length));
            }
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
