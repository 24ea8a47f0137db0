//! A project that asks for much keeps no other from its turn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domain::job::JobState;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::json;
use tests::client::{Client, JOB_LIMIT, Noun, wait_until};
use tests::cluster::{Cluster, write_random};

/// Jobs of the one project, and after what time the first of the other must have begun.
const JOBS: usize = 1000;
const LIMIT: Duration = Duration::from_secs(60);

async fn stored_backup(cluster: &Cluster, client: &Client) -> Result<String> {
    let volume = client.create_volume(1).await?;
    write_random(&cluster.volume_path(&volume)?, 0, 4 << 20, 1)?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    Ok(backup)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_of_one_project_keep_no_other_waiting() -> Result<()> {
    let cluster = Cluster::start().await?;
    let busy = cluster.client()?;
    let other = busy.of("22222222222222222222222222222222");
    let worker = cluster.worker();
    let (first, second) = (stored_backup(&cluster, &busy).await?, stored_backup(&cluster, &other).await?);
    let slots = json!({"limits": {"slots": 2}});
    busy.send(Method::PUT, "/emberkeep/workers/h1/limits", Some(&slots)).await?.ok()?;
    worker.stop().await?;
    stream::iter(0..JOBS).map(|_| busy.ask_to_verify(&first)).buffer_unordered(8).try_collect::<Vec<_>>().await?;
    let _worker = cluster.worker();
    let asked = Instant::now();
    let job = other.ask_to_verify(&second).await?.parse().ok().context("a job's id")?;
    wait_until("the other project's job begins", JOB_LIMIT, async || {
        let state = cluster.job(job).await?.state;
        Ok((state == JobState::Running || state.is_terminal()).then_some(()))
    })
    .await?;
    let waited = asked.elapsed();
    let queued = busy.get("/emberkeep/jobs?state=queued&limit=1&with_count=true").await?;
    println!("began after {:.2} s, {} jobs of the other project waiting", waited.as_secs_f64(), queued["count"]);
    ensure!(waited < LIMIT, "it waited {waited:?}");
    Ok(())
}
