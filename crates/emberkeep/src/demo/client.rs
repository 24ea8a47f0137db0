//! The demo's view of the REST API: what `cinder` sends, with progress while it waits.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::Value;

use crate::client;

const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(3600);

pub(super) struct Client(client::Client);

impl Client {
    pub(super) fn new(endpoint: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("build HTTP client")?;
        Ok(Self(client::Client::local(http, endpoint)?))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.0.get(path, &[]).await.with_context(|| format!("GET {path}"))
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.0.post(path, body).await.with_context(|| format!("POST {path}"))
    }

    /// Polls until the resource is `available`, moving `bar` with the progress of the job about it.
    pub(super) async fn wait_available(&self, noun: &str, id: &str, bar: &ProgressBar) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut shown = self.get(&format!("/{noun}s/{id}")).await?;
            let resource = shown[noun].take();
            match resource["status"].as_str().unwrap_or_default() {
                "available" => {
                    bar.finish_and_clear();
                    return Ok(resource);
                }
                status if status.starts_with("error") => {
                    bail!("{noun} {id} is {status}: {}", resource["fail_reason"].as_str().unwrap_or("no reason given"))
                }
                _ if Instant::now() > deadline => bail!("{noun} {id} does not become available"),
                _ => {}
            }
            self.show_progress(id, bar).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    async fn show_progress(&self, id: &str, bar: &ProgressBar) -> anyhow::Result<()> {
        let jobs = self.get(&format!("/emberkeep/jobs?resource_id={id}")).await?;
        if let Some(job) = jobs["jobs"].get(0) {
            bar.set_length(job["total_bytes"].as_u64().unwrap_or(0));
            bar.set_position(job["done_bytes"].as_u64().unwrap_or(0));
        }
        Ok(())
    }
}
