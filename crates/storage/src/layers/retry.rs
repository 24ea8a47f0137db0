//! Repeats what failed for a passing reason: a bounded number of times, with growing pauses, or as long as the store asked.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chassis::metrics::Counter;
use chassis::trouble;
use domain::{Error, Kind, Result};
use futures::{StreamExt, stream};
use stdx::backoff::Backoff;
use stdx::report::Chain;

use crate::{Body, Gone, Object, ObjectStore, Page};

static RETRIES: Counter =
    Counter::new("emberkeep_store_retries", "Operations of the object store that were done again, by cause.");

/// What troubles are about.
const STORE: &str = "store";
/// The longest first pause after an answer that is doubted: mostly it is true, and somebody waits for it.
const DOUBT_DELAY: Duration = Duration::from_millis(500);

/// How often and how patiently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    /// All attempts, the first included; 0 counts as 1.
    pub attempts: u32,
    /// The longest first pause; later ones double. A pause lasts at least half of its step.
    pub first_delay: Duration,
    /// Bounds the pauses, those that a store asks for by `Retry-After` too.
    pub max_delay: Duration,
    /// Whether something between us and the store may lie: that a thing is not there, or that other bytes were stored than
    /// were sent. Such answers are doubted as often, with shorter pauses.
    pub doubts: bool,
}

impl Default for RetryPolicy {
    /// As swiftclient does it: three repetitions, two seconds at first, 64 at most.
    fn default() -> Self {
        Self { attempts: 4, first_delay: Duration::from_secs(2), max_delay: Duration::from_secs(64), doubts: false }
    }
}

/// Repeats operations whose error is retryable or doubtful. A `get` is repeated until its first bytes are there; a stream
/// that breaks later is the reader's to resume by a range.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn ObjectStore>,
    policy: RetryPolicy,
}

impl Retry {
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, policy: RetryPolicy) -> Self {
        RETRIES.add(0, &[("operation", "put"), ("cause", Kind::Unavailable.as_str())]);
        Self { inner, policy }
    }

    async fn repeat<T, F>(&self, operation: &'static str, mut act: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut backoff = Backoff::new(self.policy.first_delay, self.policy.max_delay);
        let mut doubts = Backoff::new(self.policy.first_delay.min(DOUBT_DELAY), self.policy.max_delay);
        let mut attempt = 1;
        loop {
            let error = match act().await {
                Err(error) if self.may_pass(&error) && attempt < self.policy.attempts => error,
                outcome => {
                    tell(&outcome);
                    return outcome;
                }
            };
            let delay = if error.retryable() { self.delay(&error, backoff.next_delay()) } else { doubts.next_delay() };
            let delay_ms = delay.as_millis();
            RETRIES.add(1, &[("operation", operation), ("cause", error.kind().as_str())]);
            tracing::warn!(operation, attempt, delay_ms, error = %Chain(&error), "the object store will be asked again");
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    fn may_pass(&self, error: &Error) -> bool {
        error.retryable() || self.policy.doubts && matches!(error.kind(), Kind::NotFound | Kind::Damaged)
    }

    fn delay(&self, error: &Error, own: Duration) -> Duration {
        openstack::http::retry_after(error).map_or(own, |asked| asked.max(own)).min(self.policy.max_delay)
    }
}

/// What stands in the way of every job; what is wrong with one object is its job's affair.
fn tell<T>(outcome: &Result<T>) {
    match outcome {
        Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Forbidden | Kind::OverLimit) => {
            trouble::note(STORE, error.message());
        }
        Ok(_) => trouble::over(STORE),
        Err(error) if error.kind() == Kind::NotFound => trouble::over(STORE),
        Err(_) => {}
    }
}

#[async_trait]
impl ObjectStore for Retry {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        self.repeat("ensure_container", || self.inner.ensure_container(container)).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        self.repeat("put", || self.inner.put(container, name, body.clone())).await
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.repeat("get", || begin(self.inner.as_ref(), container, name, range.clone())).await
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.repeat("head", || self.inner.head(container, name)).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        self.repeat("list", || self.inner.list(container, prefix, after)).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.repeat("delete", || self.inner.delete(container, name)).await
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.repeat("delete_parts", || self.inner.delete_parts(container, prefix, gone)).await
    }
}

/// Opens the object and waits for its first bytes, so that a failure before them is one of the opening.
async fn begin(store: &dyn ObjectStore, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
    let Object { length_bytes, stream } = store.get(container, name, range).await?;
    let mut rest = stream.fuse();
    let first = rest.next().await.transpose()?;
    Ok(Object { length_bytes, stream: stream::iter(first.map(Ok)).chain(rest).boxed() })
}
