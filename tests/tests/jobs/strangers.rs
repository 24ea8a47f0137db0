//! Writes that come to the store when the jobs that sent them have ended: nothing of them stays.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::job::JobState;
use serde_json::json;
use storage::ObjectStore;
use storage::layers::{Fault, Faults, Operation, Rule};
use tests::client::{Client, JOB_LIMIT, Noun, wait_until};
use tests::cluster::{Cluster, write_random};

const MIB: u64 = 1 << 20;

async fn filled_volume(cluster: &Cluster, client: &Client) -> Result<String> {
    let volume = client.create_volume(1).await?;
    for part in 0..8 {
        write_random(&cluster.volume_path(&volume)?, part * 100 * MIB, 8192, part)?;
    }
    Ok(volume)
}

async fn cancel(cluster: &Cluster, client: &Client, backup: &str) -> Result<()> {
    let job = cluster.job_about(backup, |job| job.state == JobState::Running).await?;
    client.post(&format!("/emberkeep/jobs/{}/cancel", job.id), &json!({})).await?;
    let ended = cluster.job_ended(job.id).await?;
    ensure!(ended.state == JobState::Cancelled, "{ended:?}");
    Ok(())
}

/// Names under a place in the store.
async fn names(store: &dyn ObjectStore, (container, prefix): &(String, String)) -> Result<Vec<String>> {
    let page = store.list(container, prefix, None).await?;
    Ok(page.entries.into_iter().map(|entry| entry.name).collect())
}

async fn until_gone(store: &dyn ObjectStore, place: &(String, String), name: &str) -> Result<Vec<String>> {
    wait_until(&format!("{name} is gone"), JOB_LIMIT, async || {
        let names = names(store, place).await?;
        Ok((!names.iter().any(|found| found == name)).then_some(names))
    })
    .await
}

/// As a write does that somebody held back.
fn arrives(cluster: &Cluster, (container, prefix): &(String, String)) -> Result<String> {
    let name = format!("{prefix}-00077");
    let path = cluster.object_path(container, &name);
    std::fs::create_dir_all(path.parent().context("a directory")?)?;
    std::fs::write(path, b"late")?;
    Ok(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_cancellation_and_after_a_deletion_goes() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let _worker = cluster.worker_on(Arc::new(faults));
    let volume = filled_volume(&cluster, &client).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    cluster.job_about(&backup, |job| job.progress.done_bytes > 0).await?;
    cancel(&cluster, &client, &backup).await?;
    let place = cluster.place_of(&backup).await?;
    let late = arrives(&cluster, &place)?;
    ensure!(until_gone(&*cluster.store, &place, &late).await?.is_empty());
    client.delete(&format!("/backups/{backup}")).await?;
    client.wait_until_gone(Noun::Backup, &backup).await?;
    let late = arrives(&cluster, &place)?;
    ensure!(until_gone(&*cluster.store, &place, &late).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_takeover_goes_and_the_backup_stays() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let faults = Faults::new(Arc::clone(&cluster.store));
    faults.inject(Rule::new(Operation::Put, 3, Fault::Stall).times(u64::MAX));
    let worker = cluster.worker_on(Arc::new(faults));
    let volume = filled_volume(&cluster, &client).await?;
    let backup = client.create_backup(&volume, &json!({})).await?;
    cluster.job_about(&backup, |job| job.progress.done_bytes > 0).await?;
    drop(worker);
    let _other = cluster.worker_of("h2", Arc::clone(&cluster.store));
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    let place = cluster.place_of(&backup).await?;
    let before = names(&*cluster.store, &place).await?;
    let late = arrives(&cluster, &place)?;
    ensure!(until_gone(&*cluster.store, &place, &late).await? == before);
    client.ask_to_verify(&backup).await?;
    ensure!(client.verified(&backup).await?["result"] == "proven");
    Ok(())
}

mod real {
    use std::time::Instant;

    use storage::{AuthVersion, Config, Driver, Secret};
    use tests::held::Holder;
    use tests::servers::variable;

    use super::*;

    fn swift(auth_url: &str) -> Result<Arc<dyn ObjectStore>> {
        let config = Config {
            backup_driver: Driver::Swift,
            backup_swift_auth_url: Some(auth_url.to_owned()),
            backup_swift_auth_version: AuthVersion::One,
            backup_swift_user: Some("test:tester".to_owned()),
            backup_swift_key: Some(Secret::new("testing")),
            ..Config::default()
        };
        Ok(storage::open(&config)?)
    }

    /// A cluster on a real Swift, with a backup one of whose writes is held back on its way.
    struct Held {
        cluster: Cluster,
        client: Client,
        holder: Holder,
        /// Past the proxy.
        store: Arc<dyn ObjectStore>,
        worker: tests::cluster::Worker,
        backup: String,
        write: axum::extract::Request,
    }

    async fn held() -> Result<Held> {
        let auth_url = url::Url::parse(&variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"))?;
        let origin = auth_url.origin().ascii_serialization();
        let mut holder = Holder::start(&origin).await?;
        let cluster = Cluster::start().await?;
        let client = cluster.client()?;
        let worker = cluster.worker_on(swift(&format!("{}{}", holder.url(), auth_url.path()))?);
        let volume = filled_volume(&cluster, &client).await?;
        holder.hold("-00003");
        let container = format!("late-{}", uuid::Uuid::new_v4());
        let backup = client.create_backup(&volume, &json!({"container": container})).await?;
        let write = holder.held().await?;
        Ok(Held { cluster, client, holder, store: swift(auth_url.as_str())?, worker, backup, write })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_that_comes_after_a_cancellation_leaves_no_object() -> Result<()> {
        let Held { cluster, client, holder, store, worker, backup, write } = held().await?;
        let late = write.uri().path().to_owned();
        cancel(&cluster, &client, &backup).await?;
        let place = cluster.place_of(&backup).await?;
        ensure!(names(&*store, &place).await?.is_empty(), "a cancelled backup leaves objects");
        holder.release(write).await?;
        let came = Instant::now();
        let left = names(&*store, &place).await?;
        ensure!(left.len() == 1 && late.ends_with(left[0].as_str()), "{left:?}");
        ensure!(until_gone(&*store, &place, &left[0]).await?.is_empty());
        println!("the object that came late was gone after {:.1} s", came.elapsed().as_secs_f64());
        drop(worker);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_that_comes_after_a_takeover_leaves_the_backup_s_objects_alone() -> Result<()> {
        let Held { cluster, client, holder, store, worker, backup, write } = held().await?;
        drop(worker);
        let _other = cluster.worker_of("h2", Arc::clone(&store));
        client.wait_for_status(Noun::Backup, &backup, "available").await?;
        let place = cluster.place_of(&backup).await?;
        let before = names(&*store, &place).await?;
        let late = write.uri().path().to_owned();
        holder.release(write).await?;
        let left = names(&*store, &place).await?;
        let late = left.iter().find(|name| late.ends_with(name.as_str())).context("it came")?;
        ensure!(!before.contains(late), "{late} is no stranger");
        ensure!(until_gone(&*store, &place, late).await? == before);
        client.ask_to_verify(&backup).await?;
        ensure!(client.verified(&backup).await?["result"] == "proven");
        Ok(())
    }
}
