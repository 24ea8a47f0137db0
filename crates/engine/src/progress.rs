//! Counts what is handled and tells the reporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::Result;

use crate::port::{Reporter, Stored};

/// Tells the reporter how much of the volume is handled.
pub(crate) struct Progress {
    reporter: Arc<dyn Reporter>,
    done_bytes: AtomicU64,
    total_bytes: u64,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("done_bytes", &self.done_bytes).finish_non_exhaustive()
    }
}

impl Progress {
    pub(crate) fn new(reporter: Arc<dyn Reporter>, total_bytes: u64) -> Self {
        Self { reporter, done_bytes: AtomicU64::new(0), total_bytes }
    }

    /// # Errors
    /// The reporter's own: nobody keeps the checkpoint, so the work must not go on.
    pub(crate) async fn stored(&self, object: Stored) -> Result<()> {
        self.reporter.stored(object).await
    }

    pub(crate) fn add(&self, bytes: u64) {
        if bytes > 0 {
            let done = self.done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
            self.reporter.progress(done.min(self.total_bytes), self.total_bytes);
        }
    }
}
