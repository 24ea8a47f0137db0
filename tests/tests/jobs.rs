//! Every kind of job from the request to the bytes, and what becomes of it when workers crash on the way.

mod jobs {
    mod cancel;
    mod copies;
    mod moving_on;
    mod progress;
    mod strangers;
    mod trace;
    mod verify;
}

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::job::{JobKind, JobState};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::{Client, Noun};
use tests::cluster::{Cluster, POOL, content, write_random};

const MIB: u64 = 1 << 20;

async fn make(client: &Client, noun: &str, body: Value) -> Result<String> {
    let made = client.post(&format!("/{noun}s"), &json!({ noun: body })).await?;
    made[noun]["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {made}"))
}

async fn act(client: &Client, volume: &str, action: Value) -> Result<()> {
    client.post(&format!("/volumes/{volume}/action"), &action).await.map(drop)
}

async fn ready(client: &Client, noun: Noun, id: &str) -> Result<Value> {
    client.wait_for_status(noun, id, "available").await
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_and_snapshots_from_the_request_to_the_bytes() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 * MIB, 4096, 1)?;
    let before = content(&path)?;

    let snapshot = make(&client, "snapshot", json!({"volume_id": volume})).await?;
    ready(&client, Noun::Snapshot, &snapshot).await?;
    write_random(&path, 5 * MIB, 4096, 2)?;
    let of_snapshot = make(&client, "volume", json!({"size": 1, "snapshot_id": snapshot})).await?;
    let copy = make(&client, "volume", json!({"size": 1, "source_volid": volume})).await?;
    for (id, expected) in [(&of_snapshot, before), (&copy, content(&path)?)] {
        ready(&client, Noun::Volume, id).await?;
        ensure!(content(&cluster.volume_path(id)?)? == expected, "the copy {id} differs");
    }

    act(&client, &copy, json!({"os-extend": {"new_size": 2}})).await?;
    let grown = ready(&client, Noun::Volume, &copy).await?;
    ensure!(grown["size"] == 2 && cluster.volume_path(&copy)?.metadata()?.len() == 2048 * MIB, "{grown}");

    std::fs::File::create(cluster.images().join("disk.raw"))?.set_len(3 * MIB)?;
    let reference = json!({"source-name": cluster.images().join("disk.raw")});
    let body = json!({"volume": {"host": format!("h1@{POOL}#{POOL}"), "ref": reference}});
    let managed = client.post("/manageable_volumes", &body).await?;
    let managed = managed["volume"]["id"].as_str().context("an id")?;
    ensure!(ready(&client, Noun::Volume, managed).await?["size"] == 1);
    act(&client, managed, json!({"os-unmanage": {}})).await?;
    client.wait_until_gone(Noun::Volume, managed).await?;
    std::fs::remove_file(cluster.volume_path(managed)?).context("an unmanaged volume's bytes stay")?;

    client.delete(&format!("/volumes/{volume}?cascade=True")).await?;
    for id in [&of_snapshot, &copy] {
        client.delete(&format!("/volumes/{id}")).await?;
    }
    for id in [&volume, &of_snapshot, &copy] {
        client.wait_until_gone(Noun::Volume, id).await?;
    }
    ensure!(cluster.pool_files()?.is_empty(), "{:?}", cluster.pool_files()?);
    ensure!(cluster.usage().await?.is_empty(), "{:?}", cluster.usage().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_of_all_sources_come_back() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 * MIB, 4096, 1)?;
    let full = client.create_backup(&volume, &json!({})).await?;
    ready(&client, Noun::Backup, &full).await?;
    let full_content = content(&path)?;

    write_random(&path, 500 * MIB, 4096, 2)?;
    let snapshot = make(&client, "snapshot", json!({"volume_id": volume})).await?;
    ready(&client, Noun::Snapshot, &snapshot).await?;
    let snapshot_content = content(&path)?;
    write_random(&path, 5 * MIB, 1024, 3)?;
    let options = json!({"snapshot_id": snapshot, "incremental": true});
    let of_snapshot = client.create_backup(&volume, &options).await?;
    let view = ready(&client, Noun::Backup, &of_snapshot).await?;
    ensure!(view["is_incremental"] == true && view["object_count"] == 1, "{view}");

    act(&client, &volume, json!({"os-attach": {"instance_uuid": volume, "mountpoint": "/dev/vdb"}})).await?;
    let in_use = client.create_backup(&volume, &json!({"incremental": true, "force": true})).await?;
    ready(&client, Noun::Backup, &in_use).await?;
    client.wait_for_status(Noun::Volume, &volume, "in-use").await?;
    let in_use_content = content(&path)?;
    act(&client, &volume, json!({"os-detach": {}})).await?;
    ready(&client, Noun::Volume, &volume).await?;

    for (backup, expected) in [(&full, full_content), (&of_snapshot, snapshot_content), (&in_use, in_use_content)] {
        let answer = client.post(&format!("/backups/{backup}/restore"), &json!({"restore": {}})).await?;
        let restored = answer["restore"]["volume_id"].as_str().context("an id")?;
        ready(&client, Noun::Volume, restored).await?;
        ensure!(content(&cluster.volume_path(restored)?)? == expected, "a new volume from {backup} differs");
        client.restore(backup, &volume).await?;
        ready(&client, Noun::Volume, &volume).await?;
        ensure!(content(&path)? == expected, "the volume differs after a restore of {backup}");
    }
    for backup in [&in_use, &of_snapshot, &full] {
        client.delete(&format!("/backups/{backup}")).await?;
        client.wait_until_gone(Noun::Backup, backup).await?;
    }
    ensure!(!cluster.pool_files()?.iter().any(|name| name.contains("frozen")), "a frozen copy stayed");
    worker.stop().await
}

/// The only backup to build on is newer than the snapshot, of the volume that has grown since (contract §2.4).
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_snapshot_from_before_the_volume_grew_comes_back() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 * MIB, 4096, 1)?;
    let snapshot = make(&client, "snapshot", json!({"volume_id": volume})).await?;
    ready(&client, Noun::Snapshot, &snapshot).await?;
    act(&client, &volume, json!({"os-extend": {"new_size": 2}})).await?;
    ready(&client, Noun::Volume, &volume).await?;
    let expected = content(&path)?;
    write_random(&path, 1500 * MIB, 4096, 2)?;
    let newer = client.create_backup(&volume, &json!({})).await?;
    ready(&client, Noun::Backup, &newer).await?;

    let options = json!({"snapshot_id": snapshot, "incremental": true});
    let backup = client.create_backup(&volume, &options).await?;
    ensure!(ready(&client, Noun::Backup, &backup).await?["is_incremental"] == true);
    let answer = client.post(&format!("/backups/{backup}/restore"), &json!({"restore": {}})).await?;
    let restored = answer["restore"]["volume_id"].as_str().context("an id")?;
    ready(&client, Noun::Volume, restored).await?;
    ensure!(content(&cluster.volume_path(restored)?)? == expected, "what was restored differs");
    Ok(())
}

/// A backup and its restore lose worker after worker at random points.
#[tokio::test(flavor = "multi_thread")]
async fn crashing_workers_lose_nothing() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    for part in 0..40 {
        write_random(&path, part * 25 * MIB, 1 << 20, part)?;
    }
    let expected = content(&path)?;
    worker.stop().await?;

    let backup = client.create_backup(&volume, &json!({})).await?;
    crash_some(&cluster, &backup, &mut random).await?;
    let worker = cluster.worker();
    let view = ready(&client, Noun::Backup, &backup).await?;
    let count = view["object_count"].as_u64().context("a count")?;
    ensure!(cluster.objects_of(&backup).await? as u64 == count + 2, "the prefix holds strangers");
    ready(&client, Noun::Volume, &volume).await?;
    worker.stop().await?;

    write_random(&path, 0, 1 << 20, 99)?;
    client.restore(&backup, &volume).await?;
    crash_some(&cluster, &backup, &mut random).await?;
    let _worker = cluster.worker();
    ready(&client, Noun::Volume, &volume).await?;
    ensure!(content(&path)? == expected, "the restored volume differs");
    Ok(())
}

/// Starts workers and crashes each one at a random moment of the job; fewer than a job may lose.
async fn crash_some(cluster: &Cluster, resource_id: &str, random: &mut StdRng) -> Result<()> {
    for _ in 0..2 {
        let worker = cluster.worker();
        let moment = Duration::from_millis(random.random_range(0..700));
        let running = cluster.job_about(resource_id, |job| job.state == JobState::Running);
        // A job that ends before the crash is as good.
        if tokio::time::timeout(Duration::from_secs(10), running).await.is_ok() {
            tokio::time::sleep(moment).await;
        }
        drop(worker);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_s_job_goes_on_at_the_next() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let slow = cluster.worker_on(Arc::new(faults));
    let volume = client.create_volume(1).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    let job = cluster.job_about(&backup, |job| job.progress.done_bytes > 0).await?;
    slow.stop().await?;
    let _worker = cluster.worker();
    let view = ready(&client, Noun::Backup, &backup).await?;
    ensure!(cluster.job(job.id).await?.attempts == 2, "{view}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_deletion_ends_a_backup_under_way() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let _worker = cluster.worker_on(Arc::new(faults));
    let volume = client.create_volume(1).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    let job = cluster.job_about(&backup, |job| job.state == JobState::Running).await?;
    client.post(&format!("/backups/{backup}/action"), &json!({"os-force_delete": {}})).await?;
    client.wait_until_gone(Noun::Backup, &backup).await?;
    ready(&client, Noun::Volume, &volume).await?;
    ensure!(cluster.job(job.id).await?.state == JobState::Cancelled);
    let left = cluster.store.list(&format::names::posix_container(backup.parse()?), "", None).await?;
    ensure!(left.entries.is_empty(), "{left:?}");
    ensure!(cluster.usage().await?.len() == 2, "only the volume counts: {:?}", cluster.usage().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_hint_changes_nothing() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    let running = cluster.job_about(&backup, |job| job.state == JobState::Running).await?;
    cluster.hint_again(&running).await?;
    ready(&client, Noun::Backup, &backup).await?;
    let ended = cluster.job(running.id).await?;
    ensure!(ended.kind == JobKind::BackupCreate && ended.state == JobState::Succeeded, "{ended:?}");
    cluster.hint_again(&ended).await?;
    // What comes after the hint in both queues has been handled, so the hint has been as well.
    let other = client.create_volume(1).await?;
    ready(&client, Noun::Volume, &other).await?;
    ensure!(cluster.job(running.id).await? == ended, "the hint changed the job");
    Ok(())
}
