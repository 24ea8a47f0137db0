//! Jobs that leave a host because an operator wants it empty, and workers that are told to do more or less.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::Kind;
use domain::job::JobState;
use reqwest::Method;
use serde_json::json;
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::Noun;
use tests::cluster::{Cluster, content, write_random};

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_host_hands_its_backups_over() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let slow = cluster.worker_of("h1", Arc::new(faults));
    let volume = client.create_volume(1).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    let job = cluster.job_about(&backup, |job| job.progress.done_bytes > 0).await?;
    let _other = cluster.worker_of("h2", Arc::clone(&cluster.store));
    let disable = json!({"host": "h1", "binary": "cinder-backup"});
    client.send(Method::PUT, "/os-services/disable", Some(&disable)).await?.ok()?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    let ended = cluster.job(job.id).await?;
    ensure!(ended.attempts == 2 && ended.failures == 0, "it was handed over, which is no failure: {ended:?}");
    // The worker is still there, and takes backups again when it may.
    let enable = json!({"host": "h1", "binary": "cinder-backup"});
    client.send(Method::PUT, "/os-services/enable", Some(&enable)).await?.ok()?;
    slow.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_told_how_much_it_may_do_at_once() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 1, Fault::Stall).times(u64::MAX));
    let worker = cluster.worker_of("h1", Arc::new(faults));
    let mut volumes = Vec::new();
    for _ in 0..6 {
        volumes.push(client.create_volume(1).await?);
    }
    let allow = async |slots: u32| {
        let body = json!({"limits": {"slots": slots}});
        client.send(Method::PUT, "/emberkeep/workers/h1/limits", Some(&body)).await?.ok()
    };
    // As configured it runs four at once.
    allow(5).await?;
    let mut backups = Vec::new();
    for volume in &volumes {
        backups.push(client.create_backup(volume, &json!({})).await?);
    }
    for backup in &backups[..5] {
        cluster.job_about(backup, |job| job.state == JobState::Running).await?;
    }
    cluster.job_about(&backups[5], |job| job.state == JobState::Queued).await?;
    allow(6).await?;
    cluster.job_about(&backups[5], |job| job.state == JobState::Running).await?;
    worker.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_in_use_is_backed_up_as_it_was_at_first_however_often_that_is_tried() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Fail(Kind::Unavailable)));
    let _worker = cluster.worker_on(Arc::new(faults));
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 << 20, 8192, 1)?;
    let attach = json!({"os-attach": {"instance_uuid": volume, "mountpoint": "/dev/vdb"}});
    client.post(&format!("/volumes/{volume}/action"), &attach).await?;
    let first = content(&path)?;
    let backup = client.create_backup(&volume, &json!({"force": true})).await?;
    let job = cluster.job_about(&backup, |job| job.failures == 1).await?;
    write_random(&path, 5 << 20, 8192, 2)?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    ensure!(cluster.job(job.id).await?.attempts == 2, "the second attempt");
    let answer = client.post(&format!("/backups/{backup}/restore"), &json!({"restore": {}})).await?;
    let restored = answer["restore"]["volume_id"].as_str().context("an id")?;
    client.wait_for_status(Noun::Volume, restored, "available").await?;
    ensure!(content(&cluster.volume_path(restored)?)? == first, "the backup shows a later moment");
    Ok(())
}
