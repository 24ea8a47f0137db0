//! What a backup reads and what it stores, as data: chunks, the parts of them worth reading, runs of changed blocks.

use std::ops::Range;

use domain::{Error, Result};
use volume::{Extent, ExtentKind};

use crate::hash::Hash;
use crate::port::Settings;
use crate::zeros::unit_bytes;

/// Read at once, then hashed: about what a core's second-level cache holds.
const PIECE_BYTES: usize = 1 << 20;

/// A shorter hole is summed and compressed sooner than another object is put.
const HOLE_BYTES_MIN: u64 = 8 << 20;

/// How a volume is cut. Chunks are made one by one, so a plan costs the same for every size of volume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) volume_bytes: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) block_bytes: usize,
}

/// A part of the volume that is worked on as one: a chunk (the last may be short), or what a hole left of it, or a hole.
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

    /// Cuts a row of chunks at its holes, so that an object of data holds no long run of zeros, which would have to be summed.
    /// `data` is ordered and does not overlap. Holes are whole units long; data ends with its chunk.
    pub(crate) fn cut(&self, row: Range<u64>, data: &[Range<u64>]) -> Vec<Chunk> {
        let unit = unit_bytes(self.chunk_bytes, self.block_bytes as u64);
        let mut chunks = Vec::new();
        let mut at = row.start;
        let mut push = |range: Range<u64>| {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            chunks.push(Chunk { offset: range.start, length });
        };
        let ends = data.iter().map(|range| range.end.next_multiple_of(unit).min(row.end));
        let starts = data.iter().map(|range| range.start / unit * unit);
        let holes = std::iter::once(row.start).chain(ends).zip(starts.chain(std::iter::once(row.end)));
        let long = HOLE_BYTES_MIN.min(self.chunk_bytes);
        for (start, end) in holes.filter(|(start, end)| end.saturating_sub(*start) >= long) {
            self.chunks_of(at..start).for_each(&mut push);
            push(start..end);
            at = end;
        }
        self.chunks_of(at..row.end).for_each(&mut push);
        chunks
    }

    /// Cut where chunks end.
    fn chunks_of(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let chunk = self.chunk_bytes;
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = at;
            at = range.end.min((start / chunk + 1) * chunk);
            (start < range.end).then_some(start..at)
        })
    }

    /// Of the longest chunk.
    pub(crate) fn chunk_length(&self) -> usize {
        usize::try_from(self.chunk_bytes.min(self.volume_bytes)).unwrap_or(usize::MAX)
    }

    /// Whole blocks.
    pub(crate) const fn piece_bytes(&self) -> usize {
        PIECE_BYTES.next_multiple_of(self.block_bytes)
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

/// What is left of `runs` when `taken` goes out of it; both are ordered and without overlap.
pub(crate) fn without<'a>(runs: Vec<Range<usize>>, taken: impl Iterator<Item = &'a Range<usize>>) -> Vec<Range<usize>> {
    let mut left = runs;
    for hole in taken {
        let cut = |run: Range<usize>| [run.start..run.end.min(hole.start), run.start.max(hole.end)..run.end];
        left = left.into_iter().flat_map(cut).filter(|run| !run.is_empty()).collect();
    }
    left
}

/// Joins runs that lie close together, so that one object holds several: over the smallest gaps first, over none longer than
/// `gap_max`, and only as long as all gaps together are no longer than the runs. `runs` are ordered and do not touch.
pub(crate) fn join(
    runs: Vec<Range<usize>>,
    gap_max: usize,
    may_join: impl Fn(Range<usize>) -> bool,
) -> Vec<Range<usize>> {
    let gap = |at: usize| runs[at].end..runs[at + 1].start;
    let mut gaps: Vec<usize> = (0..runs.len().saturating_sub(1)).filter(|&at| gap(at).len() <= gap_max).collect();
    gaps.sort_by_key(|&at| gap(at).len());
    let mut left: usize = runs.iter().map(Range::len).sum();
    let mut closed = vec![false; runs.len()];
    for at in gaps.into_iter().filter(|&at| may_join(gap(at))) {
        let Some(rest) = left.checked_sub(gap(at).len()) else { break };
        (left, closed[at]) = (rest, true);
    }
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(runs.len());
    let mut open = false;
    for (run, closed) in runs.into_iter().zip(closed) {
        match joined.last_mut() {
            Some(last) if open => last.end = run.end,
            _ => joined.push(run),
        }
        open = closed;
    }
    joined
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

    #[test]
    fn what_is_taken_is_left_out() {
        let taken = [2..4, 10..20];
        assert_eq!(without(vec![0..3, 3..6, 9..21], taken.iter()), [0..2, 4..6, 9..10, 20..21]);
        assert_eq!(without(vec![0..3, 4..5], [].iter()), [0..3, 4..5]);
    }

    #[test]
    fn small_gaps_are_joined_first() {
        let runs = || vec![0..1, 2..3, 5..6, 20..21];
        assert_eq!(join(runs(), 100, |_| true), [0..6, 20..21]);
        assert_eq!(join(runs(), 1, |_| true), [0..3, 5..6, 20..21]);
        assert_eq!(join(runs(), 100, |gap| gap != (1..2)), [0..1, 2..6, 20..21]);
        assert_eq!(join(runs(), 0, |_| true), runs());
        assert!(join(vec![], 9, |_| true).is_empty());
    }

    proptest! {
        #[test]
        fn joined_runs_hold_all_runs_and_are_no_longer_than_twice(
            cuts in prop::collection::btree_set(0..400usize, 0..60),
            gap_max in 0..50usize,
        ) {
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let runs: Vec<Range<usize>> = cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let joined = join(runs.clone(), gap_max, |_| true);
            prop_assert!(runs.iter().all(|run| joined.iter().any(|all| all.start <= run.start && run.end <= all.end)));
            prop_assert!(joined.windows(2).all(|pair| pair[0].end < pair[1].start));
            let bytes = |runs: &[Range<usize>]| runs.iter().map(Range::len).sum::<usize>();
            prop_assert!(bytes(&joined) <= 2 * bytes(&runs));
        }

        #[test]
        fn cut_at_holes_chunks_cover_the_row_and_split_no_block(
            row_units in 1..33u64,
            rest in 0..900u64,
            data in prop::collection::btree_set(0..33_000u64, 0..12),
        ) {
            let plan = Plan::new(1 << 40, &settings(8 * 1024, 512)).unwrap();
            let row = 64 * 1024..64 * 1024 + row_units * 1024 + rest;
            let data: Vec<u64> = data.into_iter().collect();
            let data: Vec<_> = data.chunks_exact(2).map(|pair| row.start + pair[0]..row.end.min(row.start + pair[1])).filter(|range| !range.is_empty()).collect();
            let chunks = plan.cut(row.clone(), &data);
            let ends = chunks.iter().map(|chunk| chunk.offset + chunk.length as u64);
            let starts = std::iter::once(row.start).chain(ends.clone());
            prop_assert!(chunks.iter().map(|chunk| chunk.offset).eq(starts.take(chunks.len())));
            prop_assert_eq!(ends.clone().next_back(), Some(row.end));
            for (chunk, end) in chunks.iter().zip(ends) {
                prop_assert!(chunk.length > 0 && (end.is_multiple_of(512) || end == row.end));
                let holds_data = data.iter().any(|range| range.start < end && chunk.offset < range.end);
                prop_assert!(!holds_data || chunk.length <= 8 * 1024);
            }
        }

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
