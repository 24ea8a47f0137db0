//! Repair: what a message, a process or an operator lost is found again by looking at the rows.
//!
//! A reconciler takes no input, is idempotent, and is itself the retry: it logs what went wrong and runs again.

mod late_writes;
mod leases;
mod measures;
mod messages;
mod services;
mod stops;
mod stuck;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use domain::{Result, Timestamp};
use futures::future::BoxFuture;
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::core::Core;

/// A job that is cancelled has stopped within two seconds.
const STOPS_PERIOD_MS_MAX: u64 = 500;
const STUCK_PERIOD: Duration = Duration::from_secs(15);
const WORKERS_PERIOD: Duration = Duration::from_secs(60);
const LATE_WRITES_PERIOD: Duration = Duration::from_secs(1);
const MESSAGES_PERIOD: Duration = Duration::from_secs(60);
/// As often as anybody asks for them.
const MEASURES_PERIOD: Duration = Duration::from_secs(5);
const SERVICES_PERIOD: Duration = Duration::from_secs(10);
/// Pauses while the database is away, besides the period.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

pub(crate) type Reconcile = for<'a> fn(&'a Core, Timestamp) -> BoxFuture<'a, Result<()>>;

/// Every reconciler with its name and period.
pub(crate) fn all(config: &Config) -> [(&'static str, Duration, Reconcile); 8] {
    let leases_period = Duration::from_millis(config.tick_ms);
    let stops_period = Duration::from_millis(config.tick_ms.min(STOPS_PERIOD_MS_MAX));
    [
        ("ended leases", leases_period, |core, now| Box::pin(leases::reconcile(core, now))),
        ("jobs to stop", stops_period, |core, now| Box::pin(stops::reconcile(core, now))),
        ("stuck resources", STUCK_PERIOD, |core, now| Box::pin(stuck::reconcile(core, now))),
        ("late writes", LATE_WRITES_PERIOD, |core, now| Box::pin(late_writes::reconcile(core, now))),
        ("dead workers", WORKERS_PERIOD, |core, now| Box::pin(workers::reconcile(core, now))),
        ("expired messages", MESSAGES_PERIOD, |core, now| Box::pin(messages::reconcile(core, now))),
        ("measures", MEASURES_PERIOD, |core, now| Box::pin(measures::reconcile(core, now))),
        ("own service row", SERVICES_PERIOD, |core, now| Box::pin(services::reconcile(core, now))),
    ]
}

pub(crate) fn spawn(core: &Arc<Core>, shutdown: &CancellationToken) {
    for (name, period, reconcile) in all(&core.config) {
        let core = Arc::clone(core);
        let shutdown = shutdown.clone();
        stdx::task::spawn(name, async move {
            shutdown.run_until_cancelled(repeat(name, period, &core, reconcile)).await;
        });
    }
}

async fn repeat(name: &'static str, period: Duration, core: &Core, reconcile: Reconcile) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        tick.tick().await;
        match reconcile(core, Timestamp::now()).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::warn!(reconciler = name, error = %Chain(&error), "reconciler will try again");
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }
}
