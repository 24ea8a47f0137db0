//! Times as manifests hold them: Python's `str()` of an aware datetime (contract §3.3).

use chrono::{DateTime, NaiveDateTime, Timelike};
use domain::Timestamp;

/// `2026-11-22 14:29:36.485793+00:00`, without the fraction when the microseconds are zero.
pub(crate) fn write(time: Timestamp) -> String {
    let utc = time.utc();
    let layout = if utc.nanosecond() == 0 { "%Y-%m-%d %H:%M:%S+00:00" } else { "%Y-%m-%d %H:%M:%S%.6f+00:00" };
    utc.format(layout).to_string()
}

/// Reads [`write()`]'s layout with any zone; a time without zone, as old releases wrote it, is UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").map(|time| time.timestamp_micros());
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|time| time.and_utc().timestamp_micros());
    zoned.or_else(|_| plain()).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_fraction() {
        for text in
            ["2026-11-22 14:29:36.485793+00:00", "2026-11-22 14:29:36.000001+00:00", "2026-11-22 14:29:36+00:00"]
        {
            assert_eq!(write(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn other_zones_and_none() {
        let noon = parse("2026-11-22 12:00:00+00:00");
        assert!(noon.is_some());
        assert_eq!(parse("2026-11-22 14:00:00+02:00"), noon);
        assert_eq!(parse("2026-11-22 12:00:00"), noon);
        assert_eq!(parse("None"), None);
        assert_eq!(parse("2026-11-22 12:00:00+00:00 "), None);
        assert_eq!(parse(""), None);
    }
}
