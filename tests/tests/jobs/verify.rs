//! Verifications from the request to the bytes: what is whole is proven, what is damaged is named, whoever dies on the way.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::job::JobState;
use serde_json::json;
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::{Client, Noun};
use tests::cluster::{Cluster, write_random};

const MIB: u64 = 1 << 20;

/// A full backup of two random MiB, and one of a later change.
async fn chain(cluster: &Cluster, client: &Client) -> Result<[String; 2]> {
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 20 * MIB, 2 << 20, 1)?;
    let full = client.create_backup(&volume, &json!({})).await?;
    client.wait_for_status(Noun::Backup, &full, "available").await?;
    write_random(&path, 21 * MIB, 1 << 20, 2)?;
    let next = client.create_backup(&volume, &json!({"incremental": true})).await?;
    client.wait_for_status(Noun::Backup, &next, "available").await?;
    // What proves a backup needs no volume.
    client.delete(&format!("/volumes/{volume}")).await?;
    client.wait_until_gone(Noun::Volume, &volume).await?;
    Ok([full, next])
}

/// The one data object of the full backup that holds the random bytes and that the later one still needs.
async fn object_of(cluster: &Cluster, backup: &str) -> Result<(String, String)> {
    let (container, prefix) = cluster.place_of(backup).await?;
    let page = cluster.store.list(&container, &prefix, None).await?;
    let object = page.entries.into_iter().find(|entry| entry.name.ends_with("-00002")).context("a second object")?;
    Ok((container, object.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_proven_until_an_object_of_its_chain_is_damaged() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let [full, next] = chain(&cluster, &client).await?;
    for backup in [&full, &next] {
        client.ask_to_verify(backup).await?;
        let found = client.verified(backup).await?;
        ensure!(found["result"] == "proven" && found["reason"].is_null(), "{found}");
        let job = &found["job"];
        ensure!(job["state"] == "succeeded" && job["done_bytes"] == job["total_bytes"], "{found}");
    }

    let (container, object) = object_of(&cluster, &full).await?;
    let before = client.get(&format!("/backups/{next}")).await?;
    std::fs::write(cluster.object_path(&container, &object), vec![7; 4096])?;
    client.ask_to_verify(&next).await?;
    let damaged = client.verified(&next).await?;
    ensure!(damaged["result"] == "damaged" && damaged["job"]["state"] == "failed", "{damaged}");
    ensure!(damaged["reason"].as_str().is_some_and(|reason| reason.contains(&object)), "{damaged} names {object}?");
    ensure!(client.get(&format!("/backups/{next}")).await? == before, "the backup is listed as it was");
    let messages = client.get("/messages").await?;
    let told = messages["messages"].as_array().context("messages")?;
    ensure!(told.len() == 1 && told[0]["resource_uuid"] == *next, "{messages}");
    let full = client.verified(&full).await?;
    ensure!(full["result"] == "proven", "that is known of the one that was asked for: {full}");
    Ok(())
}

/// The first worker crashes in the middle, the second begins again; a deletion that comes later stops the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_worker_and_a_deletion_leave_nothing_stuck() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let worker = cluster.worker();
    let [_, next] = chain(&cluster, &client).await?;
    worker.stop().await?;
    let stalling = || {
        let faults = Faults::new(Arc::clone(&cluster.store));
        // Manifests and hashes come, data does not.
        faults.inject(Rule::new(Operation::Get, 1, Fault::Stall).on("-0000").times(u64::MAX));
        cluster.worker_on(Arc::new(faults))
    };
    let first = stalling();
    let job = client.ask_to_verify(&next).await?.parse()?;
    cluster.job_about(&next, |job| job.state == JobState::Running).await?;
    drop(first);
    let second = cluster.worker();
    let proven = client.verified(&next).await?;
    ensure!(proven["result"] == "proven" && cluster.job(job).await?.attempts == 2, "{proven}");
    second.stop().await?;

    let _third = stalling();
    let job = client.ask_to_verify(&next).await?.parse()?;
    cluster.job_about(&next, |job| job.state == JobState::Running).await?;
    client.delete(&format!("/backups/{next}")).await?;
    client.wait_until_gone(Noun::Backup, &next).await?;
    ensure!(cluster.job(job).await?.state == JobState::Cancelled);
    Ok(())
}
