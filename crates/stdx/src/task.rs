//! Named tasks: every background task says what it is, in the log and in a debugger.

#[cfg(feature = "simulation")]
use std::cell::RefCell;
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

/// Blocking work whose thread ended without an answer.
#[derive(Debug)]
pub struct Broken(Option<tokio::task::JoinError>);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("blocking work did not end")
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

/// Runs what may block on a thread for it. Begun, it goes on when the future is dropped.
///
/// # Errors
/// When it panicked, or the process ends.
pub async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
    #[cfg(feature = "simulation")]
    if BLOCKING.with_borrow(Option::is_some) {
        return on_simulated(act).await;
    }
    tokio::task::spawn_blocking(act).await.map_err(|error| Broken(Some(error)))
}

/// Some blocking work, waiting for its turn.
#[cfg(feature = "simulation")]
pub type Blocking = Box<dyn FnOnce() + Send>;

#[cfg(feature = "simulation")]
type Threads = Box<dyn Fn(Blocking)>;

#[cfg(feature = "simulation")]
thread_local! {
    static BLOCKING: RefCell<Option<Threads>> = const { RefCell::new(None) };
}

/// From now on blocking work of this thread is handed over instead of being run.
#[cfg(feature = "simulation")]
pub fn simulate_blocking(threads: impl Fn(Blocking) + 'static) {
    BLOCKING.set(Some(Box::new(threads)));
}

#[cfg(feature = "simulation")]
async fn on_simulated<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let work: Blocking = Box::new(move || drop(answer.send(act())));
    BLOCKING.with_borrow(|threads| {
        if let Some(threads) = threads {
            threads(work);
        }
    });
    answered.await.map_err(|_| Broken(None))
}
