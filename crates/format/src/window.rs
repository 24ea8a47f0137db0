//! A part of what is written.

use std::io::{Result, Write};
use std::ops::Range;

/// Passes the bytes of a range on, counted from the first one that is written, and takes the others for written.
pub struct Window<'a> {
    out: &'a mut dyn Write,
    skip: u64,
    left: u64,
}

impl std::fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("skip", &self.skip).field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a> Window<'a> {
    pub fn new(out: &'a mut dyn Write, range: Range<u64>) -> Self {
        Self { out, skip: range.start, left: range.end.saturating_sub(range.start) }
    }

    /// Nothing that is written from now on will pass.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.left == 0
    }
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let within = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let inside = &bytes[within(self.skip).min(bytes.len())..];
        self.skip -= (bytes.len() - inside.len()) as u64;
        let passed = &inside[..within(self.left).min(inside.len())];
        self.out.write_all(passed)?;
        self.left -= passed.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}
