//! Processes are killed in the middle of backups and restores; every job ends well all the same.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::job::{Job, JobState};
use serde_json::json;
use tests::client::{Client, Noun, wait_until};
use tests::servers::{Options, Services};

use super::client::swift_list;
use super::content::{beginning, hash, write_letters};

const MIB: u64 = 1 << 20;
pub(crate) const CONTAINER: &str = "Kill-Nine";
/// How many backups and as many restores lose their worker.
const ROUNDS: &str = "EMBERKEEP_TEST_KILLS";
const ROUNDS_DEFAULT: u64 = 3;
/// Data in the volume: some seconds of work for one worker that sends one object at a time.
pub(crate) const DATA: u64 = 192 * MIB;
const OBJECT: u64 = 4 * MIB;
/// A backup stores 48 objects. It loses its worker when fewer than so many of them are stored, another number in each round.
const STORED_MAX: u64 = 40;
pub(crate) const MOMENT: Duration = Duration::from_secs(60);

/// Two workers that work slowly and are missed soon.
pub(crate) fn options() -> Options {
    Options {
        workers: 2,
        compression: "zlib",
        transfers: 1,
        object_size_bytes: OBJECT,
        lease_ttl_secs: 4,
        ..Options::default()
    }
}

/// As many rounds as the environment says.
pub(crate) async fn rounds(services: &mut Services) -> Result<()> {
    let rounds = match std::env::var(ROUNDS) {
        Ok(number) => number.parse().with_context(|| format!("{ROUNDS}={number} is no number"))?,
        Err(_) => ROUNDS_DEFAULT,
    };
    let client = services.client()?;
    for number in 1..=rounds {
        println!("round {number} of {rounds}");
        round(services, &client, number).await.with_context(|| format!("round {number} of {rounds}"))?;
    }
    Ok(())
}

/// One volume is backed up and restored; both jobs lose their worker.
async fn round(services: &mut Services, client: &Client, seed: u64) -> Result<()> {
    let volume = client.create_volume(1).await?;
    let path = services.volume_path(&volume);
    write_letters(&path, 0, DATA, seed)?;
    let before = hash(&path)?;

    let (backup, job) = backup_in_flight(services, client, &volume, seed * 17 % STORED_MAX).await?;
    kill(services, &job).await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    check_second_attempt(services, &job).await?;
    check_own_objects(&volume, &backup).await?;
    services.add_worker().await?;

    write_letters(&path, 0, DATA, seed.wrapping_add(1_000_000))?;
    let overwritten = beginning(&path)?;
    client.restore(&backup, &volume).await?;
    let job = running(services, &backup).await?;
    // The worker's reports come too seldom to tell: a restore of this size may end between two of them.
    wait_until("some of the volume is restored", MOMENT, async || Ok((beginning(&path)? != overwritten).then_some(())))
        .await?;
    kill(services, &job).await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    check_second_attempt(services, &job).await?;
    ensure!(hash(&path)? == before, "the restored volume is not what was backed up");
    services.add_worker().await?;
    tidy_up(client, &volume, &backup).await
}

/// The scheduler and the api die in the middle of a backup, and come back.
pub(crate) async fn scheduler_and_api(services: &mut Services) -> Result<()> {
    let client = services.client()?;
    let volume = client.create_volume(1).await?;
    let path = services.volume_path(&volume);
    write_letters(&path, 0, DATA, 0)?;
    let before = hash(&path)?;
    let (backup, job) = backup_in_flight(services, &client, &volume, 5).await?;
    services.restart_scheduler().await?;
    services.restart_api().await?;
    let now = services.job(job.id).await?.context("the job is gone")?;
    ensure!(!now.state.is_terminal(), "the job was too quick to be met in mid-flight: {now:?}");
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    check_own_objects(&volume, &backup).await?;
    write_letters(&path, 0, DATA, 1)?;
    client.restore(&backup, &volume).await?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    ensure!(hash(&path)? == before, "the restored volume is not what was backed up");
    tidy_up(&client, &volume, &backup).await
}

/// Starts a backup; answers its id and its job once so many objects are stored.
pub(crate) async fn backup_in_flight(
    services: &Services,
    client: &Client,
    volume: &str,
    stored: u64,
) -> Result<(String, Job)> {
    let backup = client.create_backup(volume, &json!({"container": CONTAINER})).await?;
    let job = running(services, &backup).await?;
    wait_until("so many objects are stored", MOMENT, async || {
        Ok((services.checkpoints(&job).await? as u64 >= stored).then_some(()))
    })
    .await?;
    Ok((backup, job))
}

/// The backup's job once a worker has claimed it.
async fn running(services: &Services, backup: &str) -> Result<Job> {
    wait_until("a worker runs the job", MOMENT, async || {
        Ok(services.job_about(backup).await?.filter(|job| job.state == JobState::Running))
    })
    .await
}

async fn kill(services: &mut Services, job: &Job) -> Result<()> {
    let now = services.job(job.id).await?.context("the job is gone")?;
    ensure!(now.state == JobState::Running, "the job was too quick to be met in mid-flight: {now:?}");
    services.kill_worker_of(&now).await
}

/// Somebody else took over: otherwise the kill came too late and proved nothing.
async fn check_second_attempt(services: &Services, first: &Job) -> Result<()> {
    let done = services.job(first.id).await?.context("the job is gone")?;
    ensure!(done.attempts > first.attempts, "the job ended in its first attempt: {done:?}");
    ensure!(done.worker_id != first.worker_id, "the job ended with the worker that was killed: {done:?}");
    Ok(())
}

/// Nothing but the backup's own objects lies under its prefix, and no data object is there twice: what the dead attempt
/// left is either part of the backup or gone.
async fn check_own_objects(volume: &str, backup: &str) -> Result<()> {
    let names = swift_list(CONTAINER, &format!("volume_{volume}/")).await?;
    let end = format!("backup_{backup}");
    let parts: Vec<&str> = names.iter().filter_map(|name| Some(name.split_once(&end)?.1)).collect();
    ensure!(parts.len() == names.len(), "strange objects: {names:?}");
    ensure!(parts.contains(&"_metadata") && parts.contains(&"_sha256file"), "no manifest: {names:?}");
    let mut numbers: Vec<&str> = parts.iter().filter_map(|part| part.strip_prefix('-')?.split('-').next()).collect();
    let stored = numbers.len();
    numbers.dedup();
    ensure!(numbers.len() == stored, "a data object of a dead attempt stays: {names:?}");
    Ok(())
}

async fn tidy_up(client: &Client, volume: &str, backup: &str) -> Result<()> {
    client.delete(&format!("/backups/{backup}")).await?;
    client.wait_until_gone(Noun::Backup, backup).await?;
    client.delete(&format!("/volumes/{volume}")).await?;
    client.wait_until_gone(Noun::Volume, volume).await?;
    let left = swift_list(CONTAINER, &format!("volume_{volume}/")).await?;
    ensure!(left.is_empty(), "objects of the deleted backup stay: {left:?}");
    Ok(())
}
