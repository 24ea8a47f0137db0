//! What an object costs, measured while the backup goes on: whether to store unchanged bytes rather than another object.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bodies up to this size cost what any object costs, larger ones what their bytes do.
const SMALL_BYTES: usize = 64 << 10;
const LARGE_BYTES: usize = 4 << 20;
/// Until something was measured: what a small Swift answers with, and a gigabit a second.
const OBJECT_NANOS: u64 = 5_000_000;
const MEBIBYTE_NANOS: u64 = 8_000_000;
/// How far a measurement moves the average.
const WEIGHT: u64 = 8;

/// The time that one object takes of the store whatever its length, and that a mebibyte takes.
#[derive(Debug)]
pub(crate) struct PutCost {
    object_nanos: AtomicU64,
    mebibyte_nanos: AtomicU64,
}

impl PutCost {
    pub(crate) const fn new() -> Self {
        Self { object_nanos: AtomicU64::new(OBJECT_NANOS), mebibyte_nanos: AtomicU64::new(MEBIBYTE_NANOS) }
    }

    /// A body of so many bytes took so long, as one of `at_once` that shared the store.
    pub(crate) fn measured(&self, body_bytes: usize, took: Duration, at_once: usize) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / at_once.max(1) as u64;
        if body_bytes <= SMALL_BYTES {
            average(&self.object_nanos, nanos);
        } else if body_bytes >= LARGE_BYTES {
            average(&self.mebibyte_nanos, nanos / (body_bytes as u64 >> 20));
        }
    }

    /// So many bytes cost as much as an object.
    pub(crate) fn gap_bytes_max(&self) -> usize {
        let (object, mebibyte) =
            (self.object_nanos.load(Ordering::Relaxed), self.mebibyte_nanos.load(Ordering::Relaxed));
        let bytes = (u128::from(object) << 20) / u128::from(mebibyte.max(1));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// Two at the same time may lose one measurement, which does not matter.
fn average(kept: &AtomicU64, measured: u64) {
    let before = kept.load(Ordering::Relaxed);
    kept.store((before * (WEIGHT - 1) + measured) / WEIGHT, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_objects_allow_long_gaps() {
        let cost = PutCost::new();
        for _ in 0..100 {
            cost.measured(1000, Duration::from_millis(80), 8);
            cost.measured(8 << 20, Duration::from_millis(160), 2);
        }
        let bytes = cost.gap_bytes_max();
        assert!((900_000..1_200_000).contains(&bytes), "10 ms an object, 10 ms a mebibyte: {bytes}");
    }
}
