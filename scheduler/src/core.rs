//! What every part of a scheduler shares.

use db::Database;
use domain::{Error, JobId, Kind, Result, Timestamp};
use outbox::Notifications;
use stdx::report::Chain;
use tokio::sync::Notify;

use crate::config::Config;
use crate::sessions::Sessions;

pub(crate) struct Core {
    pub(crate) database: Database,
    pub(crate) config: Config,
    nudge: outbox::Nudge,
    pub(crate) round: Notify,
    pub(crate) sessions: Sessions,
    pub(crate) notifications: Notifications,
}

impl Core {
    pub(crate) fn new(database: Database, nudge: outbox::Nudge, config: Config) -> Self {
        let notifications = Notifications::new(config.notifications.clone());
        Self { database, config, nudge, round: Notify::new(), sessions: Sessions::default(), notifications }
    }

    /// An outbox row was written.
    pub(crate) fn wake_relay(&self) {
        self.nudge.wake();
    }

    /// Logs what went wrong with one of many jobs, so that the others get their turn. The error comes back when it is the
    /// database that is away: then nobody's turn is worth trying.
    pub(crate) async fn outlive(&self, job: JobId, message: &'static str, error: Error) -> Result<()> {
        if error.kind() == Kind::Unavailable && self.database.healthy().await.is_err() {
            return Err(error);
        }
        tracing::error!(job_id = %job, error = %Chain(&error), "{message}");
        Ok(())
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
