//! A store whose operations are counted and timed, each as a span of the trace it belongs to.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use chassis::metrics::{Counter, Timer};
use domain::Result;
use futures::StreamExt;
use tracing::Instrument;

use crate::{Body, Gone, Object, ObjectStore, Page};

static OPERATIONS: Timer = Timer::new(
    "emberkeep_store_operation_seconds",
    "Operations of the object store, each attempt; of a read the time until it begins.",
);
static SENT: Counter = Counter::new("emberkeep_store_sent_bytes", "Bytes of objects stored.");
static RECEIVED: Counter = Counter::new("emberkeep_store_received_bytes", "Bytes of objects read.");

/// The layer. Below [`super::Retry`] it sees each attempt.
#[derive(Debug)]
pub struct Measured {
    inner: Arc<dyn ObjectStore>,
    store: &'static str,
}

impl Measured {
    /// `store` is what the labels call it.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, store: &'static str) -> Self {
        SENT.add(0, &[("store", store)]);
        RECEIVED.add(0, &[("store", store)]);
        Self { inner, store }
    }

    async fn measure<T>(&self, operation: &'static str, act: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let started = Instant::now();
        let span = tracing::info_span!("store", otel.name = operation, store = self.store);
        let outcome = act.instrument(span).await;
        let word = outcome.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok");
        OPERATIONS.took(started.elapsed(), &[("store", self.store), ("operation", operation), ("outcome", word)]);
        outcome
    }
}

#[async_trait]
impl ObjectStore for Measured {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        self.measure("ensure_container", self.inner.ensure_container(container)).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        let length = body.length_bytes();
        self.measure("put", self.inner.put(container, name, body)).await?;
        SENT.add(length, &[("store", self.store)]);
        Ok(())
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        let Object { length_bytes, stream } = self.measure("get", self.inner.get(container, name, range)).await?;
        let store = self.store;
        let counted = move |piece: &Result<bytes::Bytes>| {
            if let Ok(bytes) = piece {
                RECEIVED.add(bytes.len() as u64, &[("store", store)]);
            }
        };
        Ok(Object { length_bytes, stream: stream.inspect(counted).boxed() })
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.measure("head", self.inner.head(container, name)).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        self.measure("list", self.inner.list(container, prefix, after)).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.measure("delete", self.inner.delete(container, name)).await
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.measure("delete_parts", self.inner.delete_parts(container, prefix, gone)).await
    }
}
