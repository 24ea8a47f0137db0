//! Named tasks: every background task says what it is, in the log and in a debugger.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Spawns `future` under a span called `task` that carries `name`.
#[expect(clippy::disallowed_methods, reason = "the one place that calls tokio::spawn")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.instrument(tracing::info_span!(parent: None, "task", name)))
}
