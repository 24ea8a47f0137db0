//! How far a job is, as clients see it while a slow store takes the bytes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::Timestamp;
use serde_json::json;
use stdx::pace::Pace;
use storage::layers::Paced;
use tests::client::{Noun, wait_until};
use tests::cluster::{Cluster, write_random};

const MIB: u64 = 1 << 20;
const BYTES_PER_SECOND: u64 = 24 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn percent_and_rate_are_fresh_and_true() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let slow = Paced::new(Arc::clone(&cluster.store), Arc::new(Pace::new(BYTES_PER_SECOND)));
    let _worker = cluster.worker_on(Arc::new(slow));
    let volume = client.create_volume(1).await?;
    // Whole objects of what does not compress: each is as long in the store as in the volume.
    for part in 0..6 {
        write_random(&cluster.volume_path(&volume)?, part * 16 * MIB, 16 << 20, part)?;
    }
    let backup = client.create_backup(&volume, &json!({})).await?;
    let job = cluster.job_about(&backup, |_| true).await?;
    let path = format!("/emberkeep/jobs/{}", job.id);
    let (mut percents, mut rates, mut oldest) = (Vec::new(), Vec::new(), Duration::ZERO);
    wait_until("the job has ended", Duration::from_secs(120), async || {
        let shown = client.get(&path).await?["job"].take();
        percents.extend(shown["percent"].as_i64());
        if shown["state"] == "running" {
            let at = shown["updated_at"].as_str().and_then(Timestamp::parse).context("a time")?;
            let micros = Timestamp::now().micros().saturating_sub(at.micros());
            oldest = oldest.max(Duration::from_micros(u64::try_from(micros)?));
            rates.extend(shown["bytes_per_second"].as_u64().filter(|rate| *rate > 0));
        }
        Ok((shown["state"] == "succeeded").then_some(()))
    })
    .await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    ensure!(percents.is_sorted() && percents.last() == Some(&100), "{percents:?}");
    percents.dedup();
    ensure!(percents.len() > 3, "one sees it move: {percents:?}");
    ensure!(oldest < Duration::from_secs(2), "{oldest:?}");
    // What the volume has of holes costs nothing and counts too, so that it may seem faster, and never much slower.
    let slowest = rates.iter().min().context("no rate was told")?;
    ensure!(*slowest > BYTES_PER_SECOND / 4, "{rates:?}");
    Ok(())
}
