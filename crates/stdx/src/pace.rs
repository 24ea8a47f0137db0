//! A pace that many keep together: so many units a second, changed at any time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A change is felt after so long.
const SLICE: Duration = Duration::from_millis(250);

/// Lets pass what is asked for, then waits until that much was allowed: an average, whatever the size of what passes.
#[derive(Debug)]
pub struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    /// 0: as fast as it goes.
    per_second: u64,
    /// What passed and was not allowed yet.
    debt: f64,
    since: Instant,
}

impl Pace {
    /// `per_second` 0 is no limit.
    #[must_use]
    pub fn new(per_second: u64) -> Self {
        Self(Mutex::new(State { per_second, debt: 0.0, since: Instant::now() }))
    }

    pub fn set(&self, per_second: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.pay(Instant::now());
        state.per_second = per_second;
    }

    /// Waits until it is the turn of `amount` units.
    pub async fn take(&self, amount: u64) {
        while let Some(wait) = self.try_take(amount) {
            tokio::time::sleep(wait.min(SLICE)).await;
        }
    }

    /// How long to wait before it is worth asking again; `None`: they pass.
    fn try_take(&self, amount: u64) -> Option<Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.pay(Instant::now());
        if state.per_second == 0 {
            return None;
        }
        if state.debt > 0.0 {
            return Some(Duration::from_secs_f64((state.debt / state.per_second as f64).clamp(0.001, 1.0)));
        }
        state.debt += amount as f64;
        None
    }
}

impl State {
    fn pay(&mut self, now: Instant) {
        let allowed = now.duration_since(self.since).as_secs_f64() * self.per_second as f64;
        self.debt = if self.per_second == 0 { 0.0 } else { (self.debt - allowed).max(0.0) };
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_average_is_kept_and_a_change_is_felt() {
        let start = Instant::now();
        let pace = Pace::new(1000);
        for _ in 0..11 {
            pace.take(500).await;
        }
        let took = start.elapsed();
        assert!((Duration::from_millis(4900)..Duration::from_millis(5300)).contains(&took), "{took:?}");

        pace.set(1);
        pace.take(1_000_000).await;
        let changed = Instant::now();
        tokio::join!(pace.take(1), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            pace.set(0);
        });
        assert!(changed.elapsed() < Duration::from_secs(11));
        pace.take(u64::MAX).await;
        pace.take(u64::MAX).await;
    }
}
