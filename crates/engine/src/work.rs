//! The blocking work of one operation: started together, stopped together, waited for.

use std::future::Future;

use domain::{Error, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Asked between pieces of blocking work.
#[derive(Clone, Debug)]
pub(crate) struct Stop(CancellationToken);

impl Stop {
    /// # Errors
    /// `Cancelled` once the operation is over, for whatever reason.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Ends when the operation does.
    pub(crate) async fn stopped(&self) {
        self.0.cancelled().await;
    }
}

/// One operation. Whatever ends it (success, failure, cancellation, a dropped future) stops its blocking tasks, and
/// [`Work::run`] returns only when none of them touches a volume any more.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    stop: Stop,
    tasks: TaskTracker,
}

impl Work {
    pub(crate) fn new(cancel: &CancellationToken) -> Self {
        Self { stop: Stop(cancel.child_token()), tasks: TaskTracker::new() }
    }

    /// Runs the operation until it ends or is cancelled.
    ///
    /// # Errors
    /// The operation's own, or `Cancelled`.
    pub(crate) async fn run<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let stop_when_dropped = self.stop.0.clone().drop_guard();
        let result = tokio::select! {
            biased;
            () = self.stop.stopped() => Err(Error::cancelled()),
            result = operation => result,
        };
        drop(stop_when_dropped);
        self.tasks.close();
        self.tasks.wait().await;
        result
    }

    /// Starts work that uses a volume or a file. It must ask [`Stop::check`] at least every few mebibytes.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let stop = self.stop.clone();
        self.tasks.spawn_blocking(move || {
            stop.check()?;
            act(&stop)
        })
    }

    /// [`Work::spawn`] and its result.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        joined(self.spawn(act).await)
    }
}

/// Runs a computation that cannot be interrupted and touches nothing outside of memory, so nobody need wait for it.
pub(crate) async fn compute<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    joined(tokio::task::spawn_blocking(act).await)
}

/// A panic of a blocking task becomes an error of the operation.
pub(crate) fn joined<T>(result: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    result.unwrap_or_else(|error| Err(Error::internal("A part of the transfer ended unexpectedly.").with_source(error)))
}

/// Threads that compute at the same time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
