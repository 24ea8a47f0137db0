//! What the services show of themselves: every metric that the dashboard and the alerts ask for is there, and no id is a label.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::client::{Noun, wait_until};
use tests::cluster::{Cluster, write_random};

const PREFIX: &str = "emberkeep_";

fn deployed(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

/// The metrics that a text asks for, without what a histogram adds to its name.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let words = text.match_indices(PREFIX).filter(|(at, _)| !text[..*at].ends_with(is_part));
    let word = |(at, _): (usize, &str)| text[at..].split(|sign: char| !is_part(sign)).next().unwrap_or_default();
    let plain = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    words.map(word).map(plain).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_shown() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    write_random(&cluster.volume_path(&volume)?, 0, 1 << 20, 3)?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    client.restore(&backup, &volume).await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    wait_until("a worker is shown", Duration::from_secs(30), async || {
        let shown = chassis::metrics::text();
        Ok(shown.lines().any(|line| line == "emberkeep_workers{state=\"up\"} 1").then_some(()))
    })
    .await?;

    let text = chassis::metrics::text();
    let shown = named(&text);
    for file in ["grafana/emberkeep.json", "prometheus/emberkeep.rules.yml"] {
        let asked = named(&std::fs::read_to_string(deployed(file)).with_context(|| format!("read {file}"))?);
        let missing: Vec<_> = asked.difference(&shown).collect();
        ensure!(asked.len() > 5 && missing.is_empty(), "{file} asks for {missing:?}\n{text}");
    }
    let documented = named(include_str!("../../docs/METRICS.md"));
    let differing: Vec<_> = documented.symmetric_difference(&shown).filter(|name| !name.contains("_test_")).collect();
    ensure!(differing.is_empty(), "docs/METRICS.md and /metrics differ in {differing:?}");
    let rules = std::fs::read_to_string(deployed("prometheus/emberkeep.rules.yml"))?;
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let operating = include_str!("../../docs/OPERATING.md");
    let unexplained: Vec<_> = alerts.filter(|alert| !operating.contains(&format!("| `{alert}` |"))).collect();
    ensure!(unexplained.is_empty(), "docs/OPERATING.md says no word of {unexplained:?}");
    for id in [&volume, &backup] {
        ensure!(!text.contains(id.as_str()), "an id is a label\n{text}");
    }
    let of = |line: &str| text.lines().find_map(|shown| shown.strip_prefix(line)?.trim().parse::<u64>().ok());
    let (plain, stored) = (of("emberkeep_backup_plain_bytes_total"), of("emberkeep_backup_stored_bytes_total"));
    ensure!(plain == Some(1 << 30) && stored.is_some_and(|stored| stored > 1 << 20), "{plain:?} {stored:?}\n{text}");
    let ended = "emberkeep_job_seconds_count{ending=\"succeeded\",kind=\"backup_create\"}";
    ensure!(of(ended) == Some(1), "{text}");
    let route = "emberkeep_http_requests_total{method=\"POST\",route=\"/v3/backups\",status=\"202\"}";
    ensure!(of(route) == Some(1), "{text}");
    Ok(())
}

mod real {
    use std::process::Command;

    use super::*;

    /// Prometheus's own tool takes rules and configuration.
    #[test]
    fn promtool_takes_rules_and_configuration() -> Result<()> {
        for (check, file) in [("rules", "prometheus/emberkeep.rules.yml"), ("config", "prometheus/prometheus.yml")] {
            let output = Command::new("promtool").args(["check", check]).arg(deployed(file)).output();
            let output = output.context("promtool is needed: Debian's package prometheus has it")?;
            let said = [output.stdout, output.stderr].concat();
            ensure!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&said));
        }
        Ok(())
    }
}
