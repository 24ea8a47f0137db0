//! How long a job may go on without word from the scheduler.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Error, Result};
use proto::worker::RegisterResponse;

/// The scheduler's terms; a scheduler with other settings may answer the next registration.
#[derive(Debug)]
pub(crate) struct Terms(Mutex<Lease>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    /// After so long without an answered heartbeat the worker stops the job, counted from when the heartbeat was sent. A
    /// fifth less than what the scheduler waits, so that all I/O has ended when another worker may begin.
    pub(crate) kept: Duration,
    pub(crate) heartbeat_interval: Duration,
}

impl Lease {
    pub(crate) fn parse(answer: RegisterResponse) -> Result<Self> {
        let (ttl_secs, interval_secs) = (answer.lease_ttl_secs, answer.heartbeat_interval_secs);
        if interval_secs == 0 || ttl_secs <= interval_secs {
            return Err(Error::invalid(format!(
                "the scheduler's lease of {ttl_secs} s cannot be kept with a heartbeat every {interval_secs} s"
            )));
        }
        Ok(Self {
            kept: Duration::from_secs(u64::from(ttl_secs)).mul_f64(0.8),
            heartbeat_interval: Duration::from_secs(u64::from(interval_secs)),
        })
    }

    /// How long a heartbeat may stay unanswered before another way to the scheduler is tried, so that a new one is answered
    /// long before the jobs are given up.
    pub(crate) fn patience(&self) -> Duration {
        self.kept / 3
    }
}

impl Terms {
    pub(crate) const fn new(lease: Lease) -> Self {
        Self(Mutex::new(lease))
    }

    pub(crate) fn get(&self) -> Lease {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, lease: Lease) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_gives_up_before_the_scheduler_does() {
        let answer = RegisterResponse { lease_ttl_secs: 15, heartbeat_interval_secs: 3 };
        assert_eq!(Lease::parse(answer).expect("a lease").kept, Duration::from_secs(12));
        let hopeless = RegisterResponse { lease_ttl_secs: 3, heartbeat_interval_secs: 3 };
        assert!(Lease::parse(hopeless).is_err());
    }
}
