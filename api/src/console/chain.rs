//! A volume's backups as chains of points in time: a full one, and what builds on it.

use std::collections::BTreeMap;

use domain::Timestamp;
use serde::Deserialize;

use super::names::called;
use super::rest::{Refusal, Rest};
use super::words::{ago, class, count, date, time};

/// What `GET /emberkeep/backups` tells of a backup.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) volume_id: String,
    parent_id: Option<String>,
    is_incremental: bool,
    status: String,
    fail_reason: Option<String>,
    size: i64,
    object_count: i64,
    data_timestamp: String,
    verified_at: Option<String>,
    verify_result: Option<String>,
    verify_reason: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    backups: Vec<Stored>,
    #[serde(default)]
    backups_links: Vec<serde_json::Value>,
}

/// Backups, and whether there are more of them.
pub(super) struct Page {
    pub(super) backups: Vec<Stored>,
    pub(super) has_more: bool,
}

pub(super) async fn read(rest: &Rest, query: &str) -> Result<Page, Refusal> {
    let Listed { backups, backups_links } = rest.get(&format!("/emberkeep/backups?{query}")).await?;
    Ok(Page { backups, has_more: !backups_links.is_empty() })
}

/// One dot of a timeline.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) volume_id: String,
    pub(super) kind: &'static str,
    pub(super) is_full: bool,
    pub(super) status: String,
    pub(super) class: &'static str,
    pub(super) date: String,
    /// The day alone, where there is room for no more.
    pub(super) day: String,
    pub(super) ago: String,
    /// Volume's size and number of objects.
    pub(super) extent: String,
    pub(super) verified: String,
    /// The class of the verification's result.
    pub(super) verdict: &'static str,
    /// Why it failed, or why it is not proven.
    pub(super) reason: Option<String>,
    pub(super) is_restorable: bool,
}

/// Points from a full backup on, oldest first.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) points: Vec<Point>,
    /// The chain begins before the first point that is shown.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) chains: Vec<Chain>,
    /// There are older ones than those shown.
    pub(super) has_more: bool,
    pub(super) summary: String,
    /// A next backup could be incremental.
    pub(super) has_parent: bool,
}

impl Point {
    pub(super) fn of(stored: &Stored, now: Timestamp) -> Self {
        let taken = time(&stored.data_timestamp).unwrap_or(now);
        let verified_at = stored.verified_at.as_deref().and_then(time).map(|at| ago(at, now)).unwrap_or_default();
        let (verdict, verified) = match stored.verify_result.as_deref() {
            Some(result) => (class(result), format!("{result} {verified_at}")),
            None => ("calm", "never verified".to_owned()),
        };
        let is_available = stored.status == "available";
        Self {
            id: stored.id.clone(),
            name: called(stored.name.as_deref(), &stored.id),
            volume_id: stored.volume_id.clone(),
            kind: if stored.is_incremental { "Incremental" } else { "Full" },
            is_full: !stored.is_incremental,
            status: stored.status.clone(),
            class: class(&stored.status),
            date: date(taken),
            day: taken.utc().format("%-d %b").to_string(),
            ago: ago(taken, now),
            extent: format!("{} GiB, {}", stored.size, count(stored.object_count, "object")),
            verified,
            verdict,
            reason: stored.fail_reason.clone().filter(|_| !is_available).or_else(|| stored.verify_reason.clone()),
            is_restorable: is_available,
        }
    }
}

impl Timeline {
    /// Of one volume's backups, whatever their order.
    pub(super) fn of(page: Page, now: Timestamp) -> Self {
        let Page { mut backups, has_more } = page;
        backups.sort_by(|a, b| (&a.data_timestamp, &a.id).cmp(&(&b.data_timestamp, &b.id)));
        let parents: BTreeMap<&str, &str> =
            backups.iter().filter_map(|point| Some((point.id.as_str(), point.parent_id.as_deref()?))).collect();
        let mut chains: Vec<(&str, Chain)> = Vec::new();
        for stored in &backups {
            let root = root_of(&stored.id, &parents);
            let point = Point::of(stored, now);
            match chains.iter_mut().find(|(of, _)| *of == root) {
                Some((_, chain)) => chain.points.push(point),
                None => chains.push((root, Chain { is_cut: root != stored.id, points: vec![point] })),
            }
        }
        let available: Vec<&Stored> = backups.iter().filter(|stored| stored.status == "available").collect();
        let (points, has_parent) = (available.len(), !available.is_empty());
        let summary = match available.last().and_then(|newest| time(&newest.data_timestamp)) {
            Some(newest) => {
                let points = count(i64::try_from(points).unwrap_or(i64::MAX), "point");
                let more = if has_more { "more than " } else { "" };
                format!("{more}{points} in time, the newest {}", ago(newest, now))
            }
            None if backups.is_empty() => "Not backed up yet".to_owned(),
            None => "No point in time to go back to yet".to_owned(),
        };
        let chains = chains.into_iter().map(|(_, chain)| chain).collect();
        Self { chains, has_more, summary, has_parent }
    }
}

/// The full backup below, or the oldest that is known of the chain.
fn root_of<'a>(id: &'a str, parents: &BTreeMap<&'a str, &'a str>) -> &'a str {
    let mut root = id;
    // No chain is longer, and one that bites its own tail ends here too.
    for _ in 0..=parents.len() {
        let Some(parent) = parents.get(root) else { break };
        root = parent;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: &str, parent: Option<&str>, minute: u32, status: &str) -> Stored {
        Stored {
            id: id.to_owned(),
            name: None,
            volume_id: "v".to_owned(),
            parent_id: parent.map(str::to_owned),
            is_incremental: parent.is_some(),
            status: status.to_owned(),
            fail_reason: (status == "error").then(|| "No space.".to_owned()),
            size: 1,
            object_count: 1,
            data_timestamp: format!("2026-11-27T21:{minute:02}:00.000000"),
            verified_at: None,
            verify_result: None,
            verify_reason: None,
        }
    }

    fn shape(timeline: &Timeline) -> Vec<Vec<&str>> {
        timeline.chains.iter().map(|chain| chain.points.iter().map(|point| point.id.as_str()).collect()).collect()
    }

    #[test]
    fn points_stand_in_their_chains_by_parent_and_time() {
        let now = time("2026-11-27T21:10:00").expect("a time");
        let backups = vec![
            stored("f2", None, 4, "available"),
            stored("i2", Some("i1"), 3, "available"),
            stored("f1", None, 1, "available"),
            stored("bad", Some("i2"), 5, "error"),
            stored("i1", Some("f1"), 2, "available"),
        ];
        let timeline = Timeline::of(Page { backups, has_more: false }, now);
        assert_eq!(shape(&timeline), [vec!["f1", "i1", "i2", "bad"], vec!["f2"]]);
        assert_eq!(timeline.summary, "4 points in time, the newest 6 minutes ago");
        let bad = &timeline.chains[0].points[3];
        assert_eq!((bad.class, bad.is_restorable, bad.reason.as_deref()), ("bad", false, Some("No space.")));
    }

    #[test]
    fn chains_that_begin_earlier_and_nonsense_are_borne() {
        let now = time("2026-11-27T21:10:00").expect("a time");
        let backups = vec![stored("i9", Some("i8"), 1, "available"), stored("i10", Some("i9"), 2, "creating")];
        let timeline = Timeline::of(Page { backups, has_more: true }, now);
        assert_eq!((shape(&timeline), timeline.chains[0].is_cut), (vec![vec!["i9", "i10"]], true));
        let ring = vec![stored("a", Some("b"), 1, "available"), stored("b", Some("a"), 2, "available")];
        assert!(!Timeline::of(Page { backups: ring, has_more: false }, now).chains.is_empty());
        let empty = Timeline::of(Page { backups: Vec::new(), has_more: false }, now);
        assert_eq!((empty.summary.as_str(), empty.has_parent), ("Not backed up yet", false));
    }
}
