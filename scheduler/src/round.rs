//! The round: places every queued job that is due, on each tick and whenever somebody says that something changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use db::jobs;
use domain::placement::Candidate;
use domain::{Result, Timestamp};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::place::{self, Placed};

/// Jobs read at once.
const PAGE: i64 = 500;
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
    end_cancelled(core, now).await?;
    let mut fleet = place::fleet(core, now).await?;
    let mut after = None;
    let mut waiting = 0;
    // Those that a worker with room can reach; for the others nothing has changed.
    while let Some(pools) = open_pools(&fleet) {
        let due = jobs::due(&mut core.database.read().await?, now, Some(&pools), after.as_ref(), PAGE).await?;
        for job in &due.jobs {
            if !fleet.iter().any(Candidate::has_room) {
                break;
            }
            match place::place(core, job.id, &mut fleet, now).await {
                Ok(Placed::Waits) => waiting += 1,
                Ok(_) => {}
                Err(error) => core.outlive(job.id, "job not placed; the next round tries again", error).await?,
            }
        }
        if due.next.is_none() {
            break;
        }
        after = due.next;
    }
    if waiting > 0 {
        tracing::debug!(waiting, "round done");
    }
    Ok(())
}

/// A cancelled job needs no worker to end, and no due time.
async fn end_cancelled(core: &Core, now: Timestamp) -> Result<()> {
    let cancelled = jobs::to_cancel(&mut core.database.read().await?, PAGE).await?;
    for job in cancelled {
        if let Err(error) = place::place(core, job.id, &mut [], now).await {
            core.outlive(job.id, "cancelled job not ended; the next round tries again", error).await?;
        }
    }
    Ok(())
}

/// The pools of the workers that could take a job now; `None` when nobody can. Many jobs may wait for the same few workers:
/// only those with a chance are worth reading.
fn open_pools(fleet: &[Candidate]) -> Option<Vec<String>> {
    let open = || fleet.iter().filter(|worker| worker.has_room());
    open().next()?;
    let pools: BTreeSet<&String> = open().flat_map(|worker| &worker.pools).map(|pool| &pool.name).collect();
    Some(pools.into_iter().cloned().collect())
}
