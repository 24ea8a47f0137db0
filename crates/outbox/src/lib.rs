//! Rows to broker, at least once: every message committed to the outbox is published until the broker confirms it, and
//! perhaps once more.
//!
//! Each api and scheduler process runs one relay; any number may run at once. A relay knows neither who wrote a row nor
//! who reads its message.

mod notifications;
mod relay;

pub use notifications::{About, Config as NotificationsConfig, Driver as NotificationsDriver, Notifications};

use std::sync::Arc;

use chassis::health::Needs;
use messaging::Broker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a service with an outbox cannot do its work without.
#[must_use]
pub fn needs(database: &db::Database, broker: &Arc<dyn Broker>) -> Needs {
    let (database, broker) = (database.clone(), Arc::clone(broker));
    let has_database = move || {
        let database = database.clone();
        async move { database.healthy().await.is_ok() }
    };
    let has_broker = move || {
        let broker = Arc::clone(&broker);
        async move { broker.healthy().await }
    };
    Needs::default().with("database", has_database).with("broker", has_broker)
}

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

/// A relay that a simulation moves, round by round.
#[cfg(feature = "simulation")]
#[derive(Debug)]
pub struct Stepped {
    task: relay::Task,
    nudge: Nudge,
}

#[cfg(feature = "simulation")]
impl Stepped {
    #[must_use]
    pub fn new(database: db::Database, broker: Arc<dyn Broker>) -> Self {
        let nudge = Nudge(Arc::new(Notify::new()));
        Self { task: relay::Task::new(database, broker, nudge.clone()), nudge }
    }

    #[must_use]
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Whether somebody woke it since it was asked last.
    #[must_use]
    pub fn was_woken(&self) -> bool {
        futures::FutureExt::now_or_never(self.nudge.woken()).is_some()
    }

    /// One round, as the relay's task makes them.
    pub async fn round(&mut self) -> domain::Result<()> {
        self.task.round().await.map(drop)
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
