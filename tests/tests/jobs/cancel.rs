//! A user ends a backup and a restore before their time, while the store does not answer.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::job::{Job, JobState};
use serde_json::json;
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::{Client, Noun};
use tests::cluster::{Cluster, content, write_random};

const MIB: u64 = 1 << 20;

async fn cancel(cluster: &Cluster, client: &Client, job: &Job) -> Result<()> {
    let path = format!("/emberkeep/jobs/{}", job.id);
    client.post(&format!("{path}/cancel"), &json!({})).await?;
    let ended = cluster.job_ended(job.id).await?;
    ensure!(ended.state == JobState::Cancelled, "{ended:?}");
    ensure!(client.get(&path).await?["job"]["state"] == "cancelled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_leaves_no_object() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let _worker = cluster.worker_on(Arc::new(faults));
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    for part in 0..8 {
        write_random(&path, part * 100 * MIB, 8192, part)?;
    }
    let before = content(&path)?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    let job = cluster.job_about(&backup, |job| job.progress.done_bytes > 0).await?;
    cancel(&cluster, &client, &job).await?;
    let view = client.wait_for_status(Noun::Backup, &backup, "error").await?;
    ensure!(view["fail_reason"] == "The job was cancelled.", "{view}");
    let row = client.wait_for_status(Noun::Volume, &volume, "available").await?;
    ensure!(content(&path)? == before, "{row}");
    ensure!(cluster.objects_of(&backup).await? == 0, "objects are left");
    client.delete(&format!("/backups/{backup}")).await?;
    client.wait_until_gone(Noun::Backup, &backup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_spoils_its_volume_and_not_the_backup() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 * MIB, 8192, 1)?;
    let before = content(&path)?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    worker.stop().await?;

    write_random(&path, 5 * MIB, 8192, 2)?;
    let changed = content(&path)?;
    client.restore(&backup, &volume).await?;
    let waiting = cluster.job_about(&backup, |job| job.state == JobState::Queued).await?;
    cancel(&cluster, &client, &waiting).await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    ensure!(content(&path)? == changed, "a restore that never began has written");

    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Get, 1, Fault::Stall).on("-0000").times(u64::MAX));
    let stalling = cluster.worker_on(Arc::new(faults));
    client.restore(&backup, &volume).await?;
    let running = cluster.job_about(&backup, |job| job.state == JobState::Running).await?;
    cancel(&cluster, &client, &running).await?;
    client.wait_for_status(Noun::Volume, &volume, "error_restoring").await?;
    let view = client.wait_for_status(Noun::Backup, &backup, "available").await?;
    ensure!(view["fail_reason"] == "The job was cancelled.", "{view}");
    stalling.stop().await?;

    let _worker = cluster.worker();
    client.post(&format!("/volumes/{volume}/action"), &json!({"os-reset_status": {"status": "available"}})).await?;
    client.restore(&backup, &volume).await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    let restored = content(&path)?;
    (restored == before).then_some(()).context("the next restore differs")
}
