//! What every part of a scheduler shares.

use db::Database;
use domain::Timestamp;
use tokio::sync::{Mutex, Notify};

use crate::config::Config;

pub(crate) struct Core {
    pub(crate) database: Database,
    pub(crate) config: Config,
    nudge: outbox::Nudge,
    pub(crate) round: Notify,
    /// Held while a job is placed: two placements of one process must not take a worker's last slot both. Between
    /// processes that can happen; then the second hint waits in the worker's queue.
    pub(crate) placing: Mutex<()>,
}

impl Core {
    pub(crate) fn new(database: Database, nudge: outbox::Nudge, config: Config) -> Self {
        Self { database, config, nudge, round: Notify::new(), placing: Mutex::new(()) }
    }

    /// An outbox row was written.
    pub(crate) fn wake_relay(&self) {
        self.nudge.wake();
    }

    /// A job was queued or a slot became free.
    pub(crate) fn wake_round(&self) {
        self.round.notify_one();
    }

    pub(crate) fn lease_until(&self, now: Timestamp) -> Timestamp {
        now.plus_secs(i64::from(self.config.lease_ttl_secs))
    }

    pub(crate) fn claim_until(&self, now: Timestamp) -> Timestamp {
        now.plus_secs(i64::from(self.config.claim_timeout_secs))
    }

    /// Workers heard of since then are alive.
    pub(crate) fn alive_since(&self, now: Timestamp) -> Timestamp {
        now.minus_secs(i64::from(self.config.lease_ttl_secs))
    }
}
