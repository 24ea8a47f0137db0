//! What takes proven bytes: a volume, new or used, or nothing at all.

use std::ops::Range;
use std::sync::Arc;

use domain::Result;
use volume::{BlockDevice, ExtentKind};

use crate::hash::{BlockHasher, Hash, is_zero};
use crate::work::Stop;

/// Zeros are looked for in aligned units of this size: smaller holes cost more than they save.
const UNIT_BYTES: u64 = 64 << 10;
/// Zeroed between two looks at the cancellation.
const ZERO_PIECE_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Reads as zeros where nothing was written yet.
    New(Arc<dyn BlockDevice>),
    /// Holds anything.
    Used(Arc<dyn BlockDevice>),
    /// The bytes are only proven.
    Nothing,
}

impl Target {
    /// Of each block of `bytes`, whether the target holds what `expected` says already; `bytes` begins with a block.
    pub(crate) fn holds(&self, bytes: Range<u64>, expected: &[Hash], hasher: &BlockHasher) -> Result<Vec<bool>> {
        match self {
            Self::Nothing => Ok(vec![false; expected.len()]),
            Self::New(_) => Ok(zero_blocks(bytes, expected, hasher)),
            Self::Used(device) => {
                let found = read_hashes(&**device, bytes, hasher)?;
                Ok(found.iter().zip(expected).map(|(found, expected)| found == expected).collect())
            }
        }
    }

    /// Writes what is not zero and makes the rest zero.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let (Self::New(device) | Self::Used(device)) = self else { return Ok(()) };
        for (range, zero) in runs(offset, bytes) {
            let at = offset + range.start as u64;
            match (zero, self) {
                (false, _) => device.write_at(at, &bytes[range])?,
                (true, Self::Used(_)) => device.zero(at, range.len() as u64)?,
                (true, _) => {}
            }
        }
        Ok(())
    }

    /// Makes a run zero.
    pub(crate) fn zero(&self, run: Range<u64>, stop: &Stop) -> Result<()> {
        let Self::Used(device) = self else { return Ok(()) };
        let mut at = run.start;
        while at < run.end {
            stop.check()?;
            let length = ZERO_PIECE_BYTES.min(run.end - at);
            device.zero(at, length)?;
            at += length;
        }
        Ok(())
    }

    /// Begins to make a range durable.
    pub(crate) fn begin_sync(&self, bytes: Range<u64>) {
        if let Self::New(device) | Self::Used(device) = self {
            device.begin_sync(bytes.start, bytes.end - bytes.start);
        }
    }

    pub(crate) fn sync(&self) -> Result<()> {
        match self {
            Self::New(device) | Self::Used(device) => device.sync(),
            Self::Nothing => Ok(()),
        }
    }
}

/// Of each block, whether it is to be zero.
pub(crate) fn zero_blocks(bytes: Range<u64>, expected: &[Hash], hasher: &BlockHasher) -> Vec<bool> {
    let block_bytes = hasher.block_bytes() as u64;
    let lengths = (bytes.start..bytes.end).step_by(hasher.block_bytes()).map(|at| block_bytes.min(bytes.end - at));
    let lengths = lengths.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    lengths.zip(expected).map(|(length, expected)| hasher.is_zero_hash(expected, length)).collect()
}

/// The hashes of what a volume holds; holes are not read.
fn read_hashes(device: &dyn BlockDevice, bytes: Range<u64>, hasher: &BlockHasher) -> Result<Vec<Hash>> {
    let length = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
    let mut buffer = vec![0; length];
    for extent in device.extents(bytes.start, length as u64)? {
        if extent.kind == ExtentKind::Data {
            let start = usize::try_from(extent.offset.saturating_sub(bytes.start)).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(extent.length).unwrap_or(usize::MAX)).min(length);
            let Some(part) = buffer.get_mut(start..end) else { continue };
            device.read_at(extent.offset, part)?;
        }
    }
    let mut hashes = Vec::with_capacity(length.div_ceil(hasher.block_bytes()));
    hasher.hash_all(&buffer, &mut hashes);
    Ok(hashes)
}

/// Splits `buffer`, which lies at `start` of the volume, into runs of units that are all zero or not.
fn runs(start: u64, buffer: &[u8]) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    let mut at = 0;
    while at < buffer.len() {
        let to_boundary = UNIT_BYTES - (start + at as u64) % UNIT_BYTES;
        let end = buffer.len().min(at + usize::try_from(to_boundary).unwrap_or(usize::MAX));
        let zero = is_zero(&buffer[at..end]);
        match runs.last_mut() {
            Some((range, kind)) if *kind == zero => range.end = end,
            _ => runs.push((at..end, zero)),
        }
        at = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_the_volumes_units() {
        let unit = UNIT_BYTES as usize;
        let mut buffer = vec![0; 3 * unit];
        assert_eq!(runs(0, &buffer), [(0..3 * unit, true)]);
        buffer[unit] = 1;
        assert_eq!(runs(0, &buffer), [(0..unit, true), (unit..2 * unit, false), (2 * unit..3 * unit, true)]);
        assert_eq!(
            runs(5, &buffer),
            [(0..unit - 5, true), (unit - 5..2 * unit - 5, false), (2 * unit - 5..3 * unit, true)]
        );
        assert_eq!(runs(7, &[]), []);
    }
}
