//! How fast a job goes: what it did in the last seconds, as often as a heartbeat asks.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Long enough that single objects do not show, short enough that a stall does.
const WINDOW: Duration = Duration::from_secs(10);
/// Heartbeats may come quicker; what they see is not kept.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// What was done when, oldest first.
#[derive(Default, Debug)]
pub(crate) struct Meter(VecDeque<(Instant, i64)>);

impl Meter {
    /// Bytes in a second; 0 while there is nothing to tell. What is done when it first looks counts for nothing: an earlier
    /// attempt may have done it.
    pub(crate) fn measure(&mut self, now: Instant, done_bytes: i64) -> i64 {
        let samples = &mut self.0;
        // The job began anew, or with its next part.
        if done_bytes == 0 || samples.back().is_some_and(|(_, before)| *before > done_bytes) {
            samples.clear();
        }
        if done_bytes > 0 && samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE_INTERVAL) {
            samples.push_back((now, done_bytes));
        }
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            samples.pop_front();
        }
        let Some((since, before)) = samples.front() else { return 0 };
        let elapsed = now.duration_since(*since);
        if elapsed < SAMPLE_INTERVAL {
            return 0;
        }
        ((done_bytes - before) as f64 / elapsed.as_secs_f64()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        assert_eq!(meter.measure(at(0), 0), 0);
        assert_eq!(meter.measure(at(1), 1000), 0, "what an earlier attempt did is no work of this one");
        assert_eq!(meter.measure(at(2), 1100), 100);
        assert_eq!(meter.measure(at(3), 1200), 100);
        for secs in 4..=30 {
            meter.measure(at(secs), 1200 + 50 * i64::try_from(secs - 3).expect("small"));
        }
        assert_eq!(meter.measure(at(31), 2600), 50, "the quicker start is forgotten");
        for secs in 32..=50 {
            meter.measure(at(secs), 2600);
        }
        assert_eq!(meter.measure(at(51), 2600), 0, "nothing happens");
        assert_eq!(meter.measure(at(52), 10), 0, "it began anew");
        assert_eq!(meter.measure(at(54), 50), 20);
    }

    #[test]
    fn it_keeps_few_samples() {
        let mut meter = Meter::default();
        let start = Instant::now();
        for beat in 0..10_000_u32 {
            meter.measure(start + Duration::from_millis(5) * beat, i64::from(beat) + 1);
        }
        assert!(meter.0.len() < 30, "{}", meter.0.len());
    }
}
