//! Counts what is handled and tells the reporter.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Result;

use crate::port::{Reporter, Stored};

/// Tells the reporter how much of the volume is handled.
pub(crate) struct Progress {
    reporter: Arc<dyn Reporter>,
    done_bytes: Mutex<u64>,
    total_bytes: u64,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("done_bytes", &self.done_bytes).finish_non_exhaustive()
    }
}

impl Progress {
    pub(crate) fn new(reporter: Arc<dyn Reporter>, total_bytes: u64) -> Self {
        Self { reporter, done_bytes: Mutex::new(0), total_bytes }
    }

    /// # Errors
    /// The reporter's own: nobody keeps the checkpoint, so the work must not go on.
    pub(crate) async fn stored(&self, object: Stored) -> Result<()> {
        self.reporter.stored(object).await
    }

    pub(crate) fn add(&self, bytes: u64) {
        if bytes > 0 {
            // Held while telling, so that what is told never goes back.
            let mut done_bytes = self.done_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            *done_bytes += bytes;
            self.reporter.progress((*done_bytes).min(self.total_bytes), self.total_bytes);
        }
    }
}
