//! How many requests a caller may send: so many a second, and a burst of them at once.
//!
//! A caller's state is one instant: when all that it sent would have been sent at the permitted pace. That in the past is as
//! good as none, so what is kept is bounded without a caller gaining anything by it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers that are kept apart; at most some hundred KiB.
const CALLERS_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Rates {
    /// Between two requests at the permitted pace.
    interval: Duration,
    /// How far ahead of that pace a caller may be.
    ahead_max: Duration,
    /// By a hash of who it is, so that no token is kept.
    callers: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

impl Rates {
    /// `None` where there is no limit.
    pub(crate) fn new(requests_per_second_max: u32, burst_max: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(requests_per_second_max)?;
        let ahead_max = interval.saturating_mul(burst_max.saturating_sub(1));
        Some(Self { interval, ahead_max, callers: Mutex::default(), hasher: RandomState::new() })
    }

    /// Counts one request; `Err` says when to come again, and counts nothing.
    pub(crate) fn admit(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        let caller = self.hasher.hash_one(caller);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let due = callers.get(&caller).copied().unwrap_or(now).max(now);
        let ahead = due.saturating_duration_since(now);
        if ahead > self.ahead_max {
            return Err(ahead - self.ahead_max);
        }
        if callers.len() >= CALLERS_MAX && !callers.contains_key(&caller) {
            make_room(&mut callers, now);
        }
        callers.insert(caller, due + self.interval);
        Ok(())
    }
}

/// Forgets those whose past makes no difference any more; where there are none, the one who is nearest to that.
fn make_room(callers: &mut HashMap<u64, Instant>, now: Instant) {
    callers.retain(|_, due| *due > now);
    if callers.len() >= CALLERS_MAX
        && let Some(calmest) = callers.iter().min_by_key(|(_, due)| **due).map(|(caller, _)| *caller)
    {
        callers.remove(&calmest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_the_pace() {
        let rates = Rates::new(10, 3).expect("a limit");
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..3 {
            assert_eq!(rates.admit("a", start), Ok(()));
        }
        assert_eq!(rates.admit("a", start), Err(Duration::from_millis(100)));
        assert_eq!(rates.admit("b", start), Ok(()), "another caller");
        assert_eq!(rates.admit("a", at(60)), Err(Duration::from_millis(40)), "a refusal counts nothing");
        assert_eq!(rates.admit("a", at(100)), Ok(()));
        assert_eq!(rates.admit("a", at(100)), Err(Duration::from_millis(100)));
        assert!((0..3).all(|_| rates.admit("a", at(10_000)).is_ok()) && rates.admit("a", at(10_000)).is_err());
        assert!(Rates::new(0, 3).is_none());
    }

    #[test]
    fn memory_is_bounded_and_those_ahead_are_remembered() {
        let rates = Rates::new(1, 2).expect("a limit");
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(rates.admit("busy", start), Ok(()));
        }
        for stranger in 0..CALLERS_MAX + 100 {
            assert_eq!(rates.admit(&stranger.to_string(), start), Ok(()));
        }
        assert_eq!(rates.callers.lock().expect("sound").len(), CALLERS_MAX);
        assert!(rates.admit("busy", start).is_err(), "strangers do not wash away what a caller owes");
    }

    proptest! {
        /// In no stretch of time are more admitted than the burst and the pace allow.
        #[test]
        fn no_stretch_of_time_has_more(rate in 1_u32..50, burst in 1_u32..20, gaps in prop::collection::vec(0_u64..200, 1..200)) {
            let rates = Rates::new(rate, burst).expect("a limit");
            let start = Instant::now();
            let mut elapsed = 0;
            let mut admitted = Vec::new();
            for gap in gaps {
                elapsed += gap;
                if rates.admit("a", start + Duration::from_millis(elapsed)).is_ok() {
                    admitted.push(elapsed);
                }
            }
            for (index, from) in admitted.iter().enumerate() {
                for (count, to) in (1_u64..).zip(&admitted[index..]) {
                    // One for a pace that is no whole number of nanoseconds.
                    let allowed = u64::from(burst) + (to - from) * u64::from(rate) / 1000 + 1;
                    prop_assert!(count <= allowed, "{} in {} ms", count, to - from);
                }
            }
        }
    }
}
