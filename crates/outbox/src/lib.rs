//! Rows to broker, at least once: every message committed to the outbox is published until the broker confirms it, and
//! perhaps once more.
//!
//! Each api and scheduler process runs one relay; any number may run at once. A relay knows neither who wrote a row nor
//! who reads its message.

mod relay;

use std::sync::Arc;

use messaging::Broker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Moves the rows of one database to one broker.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Starts the relay. It ends when `shutdown` is cancelled; what is unsent then stays for the next relay.
    pub fn spawn(database: db::Database, broker: Arc<dyn Broker>, shutdown: CancellationToken) -> Nudge {
        let nudge = Nudge(Arc::new(Notify::new()));
        let relay = relay::Task::new(database, broker, nudge.clone());
        stdx::task::spawn("outbox relay", async move {
            shutdown.run_until_cancelled(relay.run()).await;
        });
        nudge
    }
}

/// Tells a relay that a row was committed. Without it the row goes out at the next poll.
#[derive(Clone, Debug)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Never blocks; many calls make one round.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}
