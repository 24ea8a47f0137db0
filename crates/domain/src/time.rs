//! One notion of time: microseconds since 1970, UTC, as precise as both databases keep it.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

/// Microseconds since the Unix epoch. Functions that need "now" take it as an argument; only the edge of a
/// service calls [`Timestamp::now`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(now) = simulated::NOW.get() {
            return now;
        }
        Self(Utc::now().timestamp_micros())
    }

    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    #[must_use]
    pub const fn minus_secs(self, secs: i64) -> Self {
        self.plus_secs(-secs)
    }

    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// `2026-11-22T14:29:36.485793`: how Cinder's views write a time (contract §1.3, no zone suffix).
    #[must_use]
    pub fn iso(self) -> String {
        self.utc().format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// Reads [`Timestamp::iso`] with or without fraction, and RFC 3339; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(time.timestamp_micros()));
        }
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(Self(time.and_utc().timestamp_micros()))
    }
}

/// The clock of a simulation, one for each thread.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::Cell;

    use super::Timestamp;

    thread_local! {
        pub(super) static NOW: Cell<Option<Timestamp>> = const { Cell::new(None) };
    }

    /// From now on it is `now` on this thread, until it is told otherwise.
    pub fn set(now: Timestamp) {
        NOW.set(Some(now));
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_round_trip() {
        let time = Timestamp::from_micros(1_795_271_376_485_793);
        assert_eq!(Timestamp::parse(&time.iso()), Some(time));
        assert_eq!(Timestamp::parse("2026-11-22T14:29:37Z"), Timestamp::parse("2026-11-22T14:29:37"));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
