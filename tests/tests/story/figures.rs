//! What is promised in seconds: how soon another worker goes on, how soon a cancelled backup is at rest.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domain::job::JobState;
use serde_json::json;
use tests::client::wait_until;
use tests::servers::Services;

use super::client::swift_list;
use super::content::write_letters;
use super::kills::{DATA, MOMENT, backup_in_flight};

/// Objects that are stored before anything happens.
const STORED: u64 = 5;
/// From the death of a worker until another has its job: 15 s, and as much again for a busy machine.
const TAKEOVER_MAX: Duration = Duration::from_secs(30);
/// From the request until the job has ended, which it does when nothing moves any more and no object is left: 2 s, and as much
/// again.
const CANCEL_MAX: Duration = Duration::from_secs(4);

pub(crate) async fn takeover(services: &mut Services) -> Result<()> {
    let client = services.client()?;
    let volume = client.create_volume(1).await?;
    write_letters(&services.volume_path(&volume), 0, DATA, 1)?;
    let (_, job) = backup_in_flight(services, &client, &volume, STORED).await?;
    services.kill_worker_of(&job).await?;
    let killed = Instant::now();
    wait_until("another worker goes on", MOMENT, async || {
        let now = services.job(job.id).await?.context("the job is gone")?;
        Ok((now.attempts > job.attempts).then_some(()))
    })
    .await?;
    let taken = killed.elapsed();
    println!("another worker went on {:.1} s after the kill", taken.as_secs_f64());
    ensure!(taken <= TAKEOVER_MAX, "it took {taken:?}");
    Ok(())
}

pub(crate) async fn cancellation(services: &Services) -> Result<()> {
    let client = services.client()?;
    let volume = client.create_volume(1).await?;
    write_letters(&services.volume_path(&volume), 0, DATA, 1)?;
    let (_, job) = backup_in_flight(services, &client, &volume, STORED).await?;
    let asked = Instant::now();
    client.post(&format!("/emberkeep/jobs/{}/cancel", job.id), &json!({})).await?;
    wait_until("the job has ended", MOMENT, async || {
        let now = services.job(job.id).await?.context("the job is gone")?;
        Ok((now.state == JobState::Cancelled).then_some(()))
    })
    .await?;
    let ended = asked.elapsed();
    let left = swift_list(super::kills::CONTAINER, &format!("volume_{volume}/")).await?;
    println!("the backup was at rest {:.2} s after the request, {} objects left", ended.as_secs_f64(), left.len());
    ensure!(left.is_empty(), "objects are left: {left:?}");
    ensure!(ended <= CANCEL_MAX, "it took {ended:?}");
    Ok(())
}
