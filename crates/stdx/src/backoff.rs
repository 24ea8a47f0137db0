//! Delays between attempts: doubling, bounded, with jitter so that many clients do not knock together.

use std::time::Duration;

use crate::chance;

/// A growing delay. `next_delay` answers between half of the current step and the whole of it.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, step: min }
    }

    /// The delay before the next attempt; the step doubles up to the maximum.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.step;
        self.step = (self.step * 2).min(self.max);
        step.mul_f64(0.5 + chance::fraction() / 2.0)
    }

    /// Call after a success: the next failure starts again with the shortest delay.
    pub fn reset(&mut self) {
        self.step = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_again() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(min, max);
        for bound_ms in [100, 200, 400, 800, 1000, 1000] {
            let delay = backoff.next_delay();
            assert!(delay <= Duration::from_millis(bound_ms) && delay >= Duration::from_millis(bound_ms) / 2);
        }
        backoff.reset();
        assert!(backoff.next_delay() <= min);
    }
}
