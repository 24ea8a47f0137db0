//! The round: places every queued job that is due, on each tick and whenever somebody says that something changed.

use std::sync::Arc;
use std::time::Duration;

use db::jobs;
use domain::{Result, Timestamp};
use stdx::report::Chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::place::{self, Placed};

/// Jobs looked at per round. Jobs that no live worker can take stay in front of the line; newer ones are still placed by
/// their own hints.
const JOBS_PER_ROUND: i64 = 500;

pub(crate) fn spawn(core: Arc<Core>, shutdown: CancellationToken) {
    stdx::task::spawn("rounds", async move {
        shutdown.run_until_cancelled(rounds(&core)).await;
    });
}

async fn rounds(core: &Core) {
    let mut tick = tokio::time::interval(Duration::from_millis(core.config.tick_ms));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = core.round.notified() => {}
        }
        if let Err(error) = round(core, Timestamp::now()).await {
            tracing::warn!(error = %Chain(&error), "round not finished; the next tick tries again");
        }
    }
}

async fn round(core: &Core, now: Timestamp) -> Result<()> {
    let _alone = core.placing.lock().await;
    let due = jobs::due(&mut core.database.read().await?, now, JOBS_PER_ROUND).await?;
    if due.is_empty() {
        return Ok(());
    }
    let mut fleet = place::fleet(core, now).await?;
    let mut waiting = 0;
    for job in due {
        if place::place(core, job.id, &mut fleet, now).await? == Placed::Waits {
            waiting += 1;
        }
    }
    tracing::debug!(waiting, "round done");
    Ok(())
}
