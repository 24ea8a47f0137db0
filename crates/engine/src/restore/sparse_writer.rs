//! Writes restored bytes to a volume in large pieces and keeps zeros from taking space.

use std::ops::Range;

use domain::Result;
use volume::BlockDevice;

use crate::hash::is_zero;

/// Collected before a write.
const PIECE_BYTES: u64 = 1 << 20;
/// Zeros are looked for in aligned units of this size: smaller holes cost more than they save.
const UNIT_BYTES: u64 = 64 << 10;

/// What the volume holds where zeros are to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// Zeros already.
    Zeroed,
    /// Anything.
    Used,
}

/// Takes bytes in ascending order of offsets. Call [`SparseWriter::flush`] at the end.
pub(crate) struct SparseWriter<'a> {
    device: &'a dyn BlockDevice,
    target: Target,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> SparseWriter<'a> {
    pub(crate) fn new(device: &'a dyn BlockDevice, target: Target) -> Self {
        Self { device, target, start: 0, buffer: Vec::new() }
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if offset != self.end() {
            self.flush()?;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.buffer.is_empty() {
                self.start = offset + (bytes.len() - rest.len()) as u64;
            }
            let room = usize::try_from(PIECE_BYTES - self.end() % PIECE_BYTES).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
            if self.end().is_multiple_of(PIECE_BYTES) {
                self.flush()?;
            }
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        for (range, zero) in runs(self.start, &self.buffer) {
            let offset = self.start + range.start as u64;
            match (zero, self.target) {
                (false, _) => self.device.write_at(offset, &self.buffer[range])?,
                (true, Target::Used) => self.device.zero(offset, range.len() as u64)?,
                (true, Target::Zeroed) => {}
            }
        }
        self.buffer.clear();
        Ok(())
    }

    fn end(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }
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
