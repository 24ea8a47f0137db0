//! What is still to be fetched of an object's part of the volume: the target may hold some of it already.

use std::ops::Range;

use domain::Result;

use super::job::Job;
use super::target::{Target, zero_blocks};
use crate::hash::Hash;
use crate::work::Stop;

/// Looked at together.
const WINDOW_BYTES: u64 = 1 << 20;
/// More than so many separate needs are not told apart: the rest is fetched as if none of it were there.
const NEEDS_MAX: usize = 1 << 16;

/// A run of the volume that has to come from the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Need {
    pub(crate) bytes: Range<u64>,
    /// Whole blocks; else a part of one that is cut between two objects.
    pub(crate) whole: bool,
}

/// One window of blocks: where they lie, what they hash to, and which need nothing or only zeros.
struct Window {
    bytes: Range<u64>,
    held: Vec<bool>,
    zero: Vec<bool>,
}

impl Job {
    /// Looks at `runs` of the volume, which come from one object or, with `zeros`, are known to hold only zeros in the backup,
    /// and zeroes where zeros are to come. Blocking.
    pub(crate) fn survey(&self, runs: &[Range<u64>], zeros: bool, stop: &Stop) -> Result<Vec<Need>> {
        let mut needs = Vec::new();
        for run in runs {
            let mut at = run.start;
            while at < run.end && needs.len() < NEEDS_MAX {
                stop.check()?;
                let window = self.look(at, run.end, zeros)?;
                self.sort_out(&window, run, &mut needs, stop)?;
                at = window.bytes.end;
            }
            if at < run.end {
                self.need_all(at.max(run.start)..run.end, &mut needs);
            }
        }
        Ok(needs)
    }

    /// The whole blocks from the one that holds `at`, to `end` and no more than are looked at together.
    fn look(&self, at: u64, end: u64, zeros: bool) -> Result<Window> {
        let block_bytes = self.block_bytes();
        let start = at - at % block_bytes;
        let end = end.min(start + WINDOW_BYTES.next_multiple_of(block_bytes));
        let bytes = start..end.next_multiple_of(block_bytes).min(self.volume_bytes);
        let expected: Vec<Hash> = self.hashes.of(bytes.clone())?;
        let zero = zero_blocks(bytes.clone(), &expected, &self.hasher);
        let held = match self.target {
            Target::Nothing if zeros => zero.clone(),
            _ => self.target.holds(bytes.clone(), &expected, &self.hasher)?,
        };
        Ok(Window { bytes, held, zero })
    }

    fn sort_out(&self, window: &Window, run: &Range<u64>, needs: &mut Vec<Need>, stop: &Stop) -> Result<()> {
        let mut zeros = window.bytes.start..window.bytes.start;
        let mut settled = 0;
        for (index, (&held, &zero)) in (0..).zip(window.held.iter().zip(&window.zero)) {
            let start = window.bytes.start + index * self.block_bytes();
            let block = start..window.bytes.end.min(start + self.block_bytes());
            let whole = run.start <= block.start && block.end <= run.end;
            if whole && !held && zero && matches!(self.target, Target::Used(_)) {
                if zeros.end != block.start {
                    self.target.zero(zeros, stop)?;
                    zeros = block.start..block.start;
                }
                zeros.end = block.end;
            } else if !held {
                push(needs, Need { bytes: block.start.max(run.start)..block.end.min(run.end), whole });
                continue;
            }
            // A block that is cut counts when all of it is there.
            settled += if whole { block.end - block.start } else { 0 };
        }
        self.target.zero(zeros, stop)?;
        self.progress.add(settled);
        Ok(())
    }

    /// All of `run`, block by block where it is cut.
    fn need_all(&self, run: Range<u64>, needs: &mut Vec<Need>) {
        let block_bytes = self.block_bytes();
        let first = run.start.next_multiple_of(block_bytes).min(run.end);
        let last = if run.end == self.volume_bytes { run.end } else { run.end - run.end % block_bytes }.max(first);
        for (bytes, whole) in [(run.start..first, false), (first..last, true), (last..run.end, false)] {
            if !bytes.is_empty() {
                push(needs, Need { bytes, whole });
            }
        }
    }
}

/// Whole blocks that touch become one need.
fn push(needs: &mut Vec<Need>, need: Need) {
    match needs.last_mut() {
        Some(last) if last.whole && need.whole && last.bytes.end == need.bytes.start => last.bytes.end = need.bytes.end,
        _ => needs.push(need),
    }
}
