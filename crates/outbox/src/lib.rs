//! Rows to broker, at least once: every message committed to the outbox is published until the broker confirms it, and
//! perhaps once more.
//!
//! Each api and scheduler process runs one relay; any number may run at once. A relay knows neither who wrote a row nor
//! who reads its message.

mod notifications;
mod relay;

pub use notifications::{About, Config as NotificationsConfig, Driver as NotificationsDriver, Notifications};

use std::sync::Arc;
use std::time::Duration;

use chassis::health::Needs;
use chassis::trouble;
use domain::{Kind, Result};
use messaging::Broker;
use stdx::backoff::Backoff;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What troubles are about.
const DATABASE: &str = "database";
const CLOCK: &str = "clock";
/// How far clocks may be apart before it is told.
const CLOCK_TOLERANCE_MICROS: i64 = 2_000_000;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What a service with an outbox cannot do its work without.
#[must_use]
pub fn needs(database: &db::Database, broker: &Arc<dyn Broker>) -> Needs {
    let (database, broker) = (database.clone(), Arc::clone(broker));
    let has_database = move || {
        let database = database.clone();
        async move {
            database.healthy().await.map_err(|error| error.message().to_owned())?;
            look_at_clock(&database).await;
            Ok(())
        }
    };
    let has_broker = move || {
        let broker = Arc::clone(&broker);
        async move { broker.healthy().await.map_err(|error| error.message().to_owned()) }
    };
    Needs::default().with(DATABASE, has_database).with("broker", has_broker)
}

/// Waits until the database answers and has this version's schema; meanwhile the log and health say what is wrong with it.
/// False: `stop` came first.
///
/// # Errors
/// `Invalid` when the schema is another version's.
pub async fn ready(database: &db::Database, stop: &CancellationToken) -> Result<bool> {
    let migrated = async {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        loop {
            let tried = match database.healthy().await {
                Ok(()) => database.migrate().await,
                Err(error) => Err(error),
            };
            match tried {
                Err(error) if error.kind() != Kind::Invalid => trouble::note(DATABASE, error.message()),
                outcome => return outcome,
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    };
    let Some(outcome) = stop.run_until_cancelled(migrated).await else { return Ok(false) };
    trouble::over(DATABASE);
    outcome.map(|()| true)
}

/// Leases and times in answers are told by the clocks of all services.
async fn look_at_clock(database: &db::Database) {
    match database.clock_ahead_micros().await {
        Ok(Some(ahead)) if ahead.abs() > CLOCK_TOLERANCE_MICROS => {
            // In steps, so that the sentence stays the same.
            let secs = [3600, 600, 60, 10, 2].into_iter().find(|secs| ahead.abs() > secs * 1_000_000).unwrap_or(2);
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            let sentence = format!(
                "The clock of this machine is more than {secs} seconds {way} that of {}: let both keep time by NTP, for leases and times in \
                 answers are wrong by as much.",
                database.name()
            );
            trouble::note(CLOCK, &sentence);
        }
        Ok(_) => trouble::over(CLOCK),
        Err(error) => tracing::debug!(%error, "the database does not tell the time"),
    }
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
