//! Ends a request in which nothing moves, without bounding how long one that moves may take.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

/// Counts the pieces of a body that were taken for sending.
#[derive(Clone, Default, Debug)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// `None` when `future` went on for `limit` without any progress. It is noticed after `limit` at the earliest and
    /// twice `limit` at the latest.
    pub(super) async fn watch<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let before = self.0.load(Ordering::Relaxed);
            match timeout(limit, future.as_mut()).await {
                Ok(outcome) => return Some(outcome),
                Err(_) if self.0.load(Ordering::Relaxed) == before => return None,
                Err(_) => {}
            }
        }
    }
}
