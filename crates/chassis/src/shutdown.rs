//! The wish to stop, as one token that everything in the process looks at.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was told twice (128 + SIGINT).
const IMPATIENT: i32 = 130;

/// A token that SIGINT or SIGTERM cancels. The second signal ends the process at once, so that a slow drain can be cut
/// short from the keyboard. Call it inside the runtime, once per process and before all else: until then a signal ends it at once.
#[must_use]
pub fn signals() -> CancellationToken {
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            // The default action of the signals is to kill the process: unclean, but what was asked for.
            tracing::error!(%error, "cannot listen for signals; stopping will not be graceful");
            return token;
        }
    };
    let wish = token.clone();
    stdx::task::spawn("signals", async move {
        let mut next = async || tokio::select! { _ = interrupt.recv() => "SIGINT", _ = terminate.recv() => "SIGTERM" };
        let name = next().await;
        tracing::info!(signal = name, "stopping; once more ends at once");
        wish.cancel();
        next().await;
        std::process::exit(IMPATIENT);
    });
    token
}
