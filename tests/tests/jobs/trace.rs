//! One trace from the REST call, through outbox, broker and gRPC, to each object that is stored.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use serde_json::json;
use storage::{Body, Object, ObjectStore, Page};
use tests::client::Noun;
use tests::cluster::{Cluster, write_random};
use tests::servers::PROJECT_ID;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Notes which trace each PUT belongs to.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn ObjectStore>,
    traces: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl ObjectStore for Noting {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> domain::Result<()> {
        self.inner.ensure_container(container).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> domain::Result<()> {
        if let Ok(mut traces) = self.traces.lock() {
            traces.push(chassis::trace::current_trace_id());
        }
        self.inner.put(container, name, body).await
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> domain::Result<Object> {
        self.inner.get(container, name, range).await
    }

    async fn head(&self, container: &str, name: &str) -> domain::Result<u64> {
        self.inner.head(container, name).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> domain::Result<Page> {
        self.inner.list(container, prefix, after).await
    }

    async fn delete(&self, container: &str, name: &str) -> domain::Result<()> {
        self.inner.delete(container, name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_put_belongs_to_the_trace_of_the_request() -> Result<()> {
    let telemetry = chassis::telemetry::Config { log_filter: "off".to_owned(), ..Default::default() };
    let _telemetry = chassis::telemetry::init("tests", &telemetry)?;
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let store = Arc::new(Noting { inner: Arc::clone(&cluster.store), traces: Mutex::default() });
    let _worker = cluster.worker_on(Arc::clone(&store) as _);
    let volume = client.create_volume(1).await?;
    write_random(&cluster.volume_path(&volume)?, 0, 1 << 20, 3)?;

    let endpoint = format!("{}/{PROJECT_ID}/backups", client.endpoint());
    let request = reqwest::Client::builder().no_proxy().build()?.post(endpoint);
    let request = request.header("X-Auth-Token", format!("demo:{PROJECT_ID}"));
    let request = request.header("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01"));
    let accepted = request.json(&json!({"backup": {"volume_id": volume}})).send().await?;
    let accepted: serde_json::Value = accepted.json().await?;
    let id = accepted["backup"]["id"].as_str().unwrap_or_default();
    client.wait_for_status(Noun::Backup, id, "available").await?;

    let traces = store.traces.lock().map_err(|_| anyhow::anyhow!("a PUT panicked"))?.clone();
    ensure!(traces.len() > 2, "the backup has data and two documents: {traces:?}");
    ensure!(traces.iter().all(|trace| trace.as_deref() == Some(TRACE_ID)), "{traces:?}");
    Ok(())
}
