//! Times, sizes and statuses in people's words.

use domain::Timestamp;
use stdx::size::human;

/// `5 minutes ago`.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let secs = (now.micros() - time.micros()) / 1_000_000;
    match secs {
        ..10 => "just now".to_owned(),
        10..60 => format!("{secs} seconds ago"),
        60..3600 => count(secs / 60, "minute") + " ago",
        3600..86_400 => count(secs / 3600, "hour") + " ago",
        _ => count(secs / 86_400, "day") + " ago",
    }
}

/// `2026-11-27 21:05 UTC`.
pub(super) fn date(time: Timestamp) -> String {
    time.utc().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// As a view wrote it; `None` where it is no time.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

/// `1 point`, `3 points`.
pub(super) fn count(number: i64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// What is left to wait.
pub(super) fn left(secs: i64) -> String {
    match secs {
        ..2 => "a moment left".to_owned(),
        2..90 => format!("about {secs} seconds left"),
        90..5400 => format!("about {} left", count((secs + 30) / 60, "minute")),
        _ => format!("about {} left", count((secs + 1800) / 3600, "hour")),
    }
}

pub(super) fn bytes(bytes: i64) -> String {
    human(u64::try_from(bytes).unwrap_or_default())
}

/// The class of a status: what colour and sign it has.
pub(super) fn class(status: &str) -> &'static str {
    match status {
        "available" | "succeeded" | "proven" | "up" | "enabled" => "good",
        "in-use" | "cancelled" | "disabled" => "calm",
        "damaged" | "unreadable" | "failed" | "down" => "bad",
        status if status.starts_with("error") => "bad",
        _ => "busy",
    }
}

/// The first digits of an id, where there is no name.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_read_well() {
        let now = Timestamp::from_micros(1_795_271_376_485_793);
        let said = |secs| ago(now.minus_secs(secs), now);
        assert_eq!(
            [said(-5), said(30), said(60), said(7200), said(90_000)],
            ["just now", "30 seconds ago", "1 minute ago", "2 hours ago", "1 day ago"]
        );
        assert_eq!(
            [left(0), left(45), left(100), left(7000)],
            ["a moment left", "about 45 seconds left", "about 2 minutes left", "about 2 hours left"]
        );
    }
}
