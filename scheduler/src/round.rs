//! The round: places every queued job that is due, on each tick and whenever somebody says that something changed.

use std::sync::Arc;
use std::time::Duration;

use db::jobs;
use domain::job::Job;
use domain::placement::Candidate;
use domain::{Result, Timestamp};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::place::{self, Placed};

/// Jobs looked at per round. Jobs that no live worker can take stay in front of the line; newer ones are still placed by
/// their own hints.
const JOBS_PER_ROUND: i64 = 500;
/// Pauses while the database is away.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

pub(crate) fn spawn(core: Arc<Core>, shutdown: CancellationToken) {
    stdx::task::spawn("rounds", async move {
        shutdown.run_until_cancelled(rounds(&core)).await;
    });
}

async fn rounds(core: &Core) {
    let mut tick = tokio::time::interval(Duration::from_millis(core.config.tick_ms));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = core.round.notified() => {}
        }
        match round(core, Timestamp::now()).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "round not finished; it is tried again");
                tokio::time::sleep(backoff.next_delay()).await;
            }
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
        if is_hopeless(&job, &fleet) || place::place(core, job.id, &mut fleet, now).await? == Placed::Waits {
            waiting += 1;
        }
    }
    tracing::debug!(waiting, "round done");
    Ok(())
}

/// Whether it is plain without asking the database that nobody can take the job now. Many jobs may wait for the same few
/// workers; only those with a chance are worth a transaction. A cancelled job needs no worker to end.
fn is_hopeless(job: &Job, fleet: &[Candidate]) -> bool {
    let reaches = |worker: &Candidate| match &job.pool {
        Some(pool) => worker.pools.iter().any(|report| report.name == *pool),
        None => true,
    };
    let takes = |worker: &Candidate| !worker.disabled && worker.busy < worker.slots && reaches(worker);
    !job.cancel_requested && !fleet.iter().any(takes)
}
