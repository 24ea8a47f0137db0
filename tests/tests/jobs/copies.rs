//! The frozen copies that backups of volumes in use read: who still needs one keeps it, all others go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::BackupId;
use serde_json::json;
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::{Noun, wait_until};
use tests::cluster::{Cluster, write_random};
use volume::Original;

/// Workers ask every ten seconds which copies may go.
const GONE_WITHIN: Duration = Duration::from_secs(30);

async fn left(cluster: &Cluster, names: &[String]) -> Result<()> {
    wait_until(&format!("of the copies {names:?} are left"), GONE_WITHIN, async || {
        Ok((cluster.pool.frozen()? == names).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_ends_leaves_what_another_of_its_volume_reads() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Arc::new(Faults::new(Arc::clone(&cluster.store)));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall));
    let _worker = cluster.worker_on(Arc::clone(&faults) as _);
    let volume = client.create_volume(1).await?;
    write_random(&cluster.volume_path(&volume)?, 5 << 20, 8192, 1)?;
    let made = client.post("/snapshots", &json!({"snapshot": {"volume_id": volume}})).await?;
    let snapshot = made["snapshot"]["id"].as_str().context("an id")?;
    client.wait_for_status(Noun::Snapshot, snapshot, "available").await?;
    let attach = json!({"os-attach": {"instance_uuid": volume, "mountpoint": "/dev/vdb"}});
    client.post(&format!("/volumes/{volume}/action"), &attach).await?;

    let waiting = client.create_backup(&volume, &json!({"force": true})).await?;
    let job = cluster.job_about(&waiting, |job| job.progress.done_bytes > 0).await?;
    let copy = format!("{volume}.{waiting}");
    ensure!(cluster.pool.frozen()? == std::slice::from_ref(&copy));
    // Gone, it shows that the scheduler was asked after the other backup's end.
    let of_nobody = format!("{volume}.{}", BackupId::random());
    let other = client.create_backup(&volume, &json!({"snapshot_id": snapshot})).await?;
    client.wait_for_status(Noun::Backup, &other, "available").await?;
    cluster.pool.freeze(Original::Volume(volume.parse()?), &of_nobody)?;
    left(&cluster, &[copy]).await?;

    client.post(&format!("/emberkeep/jobs/{}/cancel", job.id), &json!({})).await?;
    cluster.job_ended(job.id).await?;
    left(&cluster, &[]).await
}
