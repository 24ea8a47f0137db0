//! Whether the scheduler has been heard of lately, for whoever asks if this worker is ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Several heartbeats without an answer.
const LATELY: Duration = Duration::from_secs(10);

#[derive(Clone, Default, Debug)]
pub struct Contact(Arc<Mutex<Option<Instant>>>);

impl Contact {
    pub(crate) fn heard(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    #[must_use]
    pub fn is_recent(&self) -> bool {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|at| at.elapsed() < LATELY)
    }
}
