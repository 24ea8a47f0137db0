//! The steps of the demo, in order.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use stdx::size::{GIB, human};

use super::client::Client;
use super::content;
use crate::one_process::OneProcess;

/// Create, back up, change, back up incrementally, restore both points in time, compare.
pub(super) async fn walk(process: &OneProcess, size_gb: u64, from: Option<PathBuf>) -> anyhow::Result<()> {
    let demo = Demo { client: Client::new(&process.endpoint())?, process, size_gb };
    println!("Emberkeep demo at {} in {}\n", process.endpoint(), process.data().path().display());

    let volume = demo.create_volume().await?;
    let first = demo.write(&volume, "write real files", move |path| content::fill(path, from.as_deref())).await?;
    let full = demo.back_up(&volume, "Initial Backup", false).await?;
    demo.list_objects(&full).await?;
    let second = demo.write(&volume, "change the volume", content::change).await?;
    ensure!(first != second, "the change left the volume as it was");
    let incremental = demo.back_up(&volume, "Incremental Backup", true).await?;
    ensure!(incremental["is_incremental"] == true, "the second backup is not incremental");
    demo.list_objects(&incremental).await?;

    let target = demo.restore(&full, Some(&volume)).await?;
    demo.compare("first point in time, same volume", &target, &first).await?;
    let target = demo.restore(&incremental, None).await?;
    demo.compare("second point in time, new volume", &target, &second).await?;
    println!("\nEvery comparison held.");
    Ok(())
}

struct Demo<'a> {
    client: Client,
    process: &'a OneProcess,
    size_gb: u64,
}

impl Demo<'_> {
    async fn create_volume(&self) -> anyhow::Result<String> {
        let started = Instant::now();
        let body = json!({"volume": {"name": "demo", "size": self.size_gb}});
        let created = self.client.post("/volumes", body).await?;
        let id = text(&created["volume"]["id"])?;
        self.client.wait_available("volume", &id, &bar("create volume")).await?;
        step("create volume", started.elapsed(), &format!("{} GiB, {id}", self.size_gb));
        Ok(id)
    }

    /// Attaches the volume as a server's host would, writes into it, detaches it; answers its SHA-256.
    async fn write<F>(&self, volume: &str, what: &str, write: F) -> anyhow::Result<String>
    where
        F: FnOnce(&Path) -> anyhow::Result<u64> + Send + 'static,
    {
        let action = format!("/volumes/{volume}/action");
        let started = Instant::now();
        self.client.post(&action, json!({"os-reserve": {}})).await?;
        let attach = json!({"os-attach": {"host_name": "demo", "mountpoint": "/dev/vdb", "mode": "rw"}});
        self.client.post(&action, attach).await?;
        let path = self.process.volume_path(volume)?;
        let spinner = bar(what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        let (written, digest) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let written = write(&path)?;
            Ok((written, content::sha256(&path)?))
        })
        .await??;
        spinner.finish_and_clear();
        self.client.post(&action, json!({"os-begin_detaching": {}})).await?;
        self.client.post(&action, json!({"os-detach": {}})).await?;
        step(what, started.elapsed(), &format!("{} written, sha256 {}…", human(written), &digest[..16]));
        Ok(digest)
    }

    async fn back_up(&self, volume: &str, name: &str, incremental: bool) -> anyhow::Result<Value> {
        let what = if incremental { "incremental backup" } else { "full backup" };
        let started = Instant::now();
        let body = json!({"backup": {"volume_id": volume, "name": name, "incremental": incremental}});
        let created = self.client.post("/backups", body).await?;
        let id = text(&created["backup"]["id"])?;
        let backup = self.client.wait_available("backup", &id, &bar(what)).await?;
        let elapsed = started.elapsed();
        step(what, elapsed, &format!("{}, {}", rate(self.size_gb, elapsed), backup["id"].as_str().unwrap_or_default()));
        for key in ["name", "status", "is_incremental", "object_count", "size", "container", "data_timestamp"] {
            println!("      {key:<16} {}", backup[key]);
        }
        Ok(backup)
    }

    async fn list_objects(&self, backup: &Value) -> anyhow::Result<()> {
        let container = text(&backup["container"])?;
        let page = self.process.store().list(&container, "", None).await.context("list the store")?;
        let stored: u64 = page.entries.iter().map(|entry| entry.length_bytes).sum();
        println!("      {} objects, {} in container {container}", page.entries.len(), human(stored));
        let shown = 4;
        for entry in page.entries.iter().take(shown) {
            println!("        {:>10}  {}", human(entry.length_bytes), entry.name);
        }
        if page.entries.len() > shown {
            println!("        {:>10}  and {} more", "", page.entries.len() - shown);
        }
        Ok(())
    }

    async fn restore(&self, backup: &Value, target: Option<&str>) -> anyhow::Result<String> {
        let what = if target.is_some() { "restore to same" } else { "restore to new" };
        let started = Instant::now();
        let id = text(&backup["id"])?;
        let body = json!({"restore": {"volume_id": target}});
        let accepted = self.client.post(&format!("/backups/{id}/restore"), body).await?;
        let volume = text(&accepted["restore"]["volume_id"])?;
        self.client.wait_available("volume", &volume, &bar(what)).await?;
        let elapsed = started.elapsed();
        step(what, elapsed, &format!("{}, volume {volume}", rate(self.size_gb, elapsed)));
        Ok(volume)
    }

    async fn compare(&self, what: &str, volume: &str, expected: &str) -> anyhow::Result<()> {
        let path = self.process.volume_path(volume)?;
        let started = Instant::now();
        let found = tokio::task::spawn_blocking(move || content::sha256(&path)).await??;
        if found != expected {
            bail!("{what}: sha256 is {found}, was {expected} when written");
        }
        step("compare", started.elapsed(), &format!("{what}: sha256 equal"));
        Ok(())
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("expected text in the answer, found {value}"))
}

fn rate(size_gb: u64, elapsed: Duration) -> String {
    let per_second = (size_gb * GIB) as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{}/s of volume", human(per_second as u64))
}

fn step(what: &str, elapsed: Duration, detail: &str) {
    println!("{what:<20} {:>8.2} s  {detail}", elapsed.as_secs_f64());
}

fn bar(what: &str) -> ProgressBar {
    const TEMPLATE: &str = "{msg:<20} {elapsed:>6} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec}";
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(what.to_owned())
}
