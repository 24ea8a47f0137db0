//! The round: places every queued job that is due, on each tick and whenever somebody says that something changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use db::jobs;
use domain::job::Job;
use domain::{Result, Timestamp};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::core::Core;
use crate::place::{self, Fleet, Placed};
use crate::turns::{Turn, Turns};

/// Jobs of a project read at once.
const PAGE: i64 = 64;
const CANCELLED_AT_ONCE: i64 = 500;
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

pub(crate) async fn round(core: &Core, now: Timestamp) -> Result<()> {
    end_cancelled(core, now).await?;
    let mut fleet = place::fleet(core, now).await?;
    let waiting = jobs::waiting(&mut core.database.read().await?).await?;
    let mut turns = Turns::new(waiting, core.config.project_jobs_max);
    // Those that a worker with room can reach; for the others nothing has changed.
    while let Some(pools) = open_pools(&fleet) {
        match turns.next() {
            None => break,
            Some(Turn::Read(line)) => {
                let mut conn = core.database.read().await?;
                let due = jobs::due(&mut conn, &line.project_id, now, Some(&pools), line.after.as_ref(), PAGE).await?;
                turns.read(line, due);
            }
            Some(Turn::Place(line, job)) => {
                let placed = place_one(core, &job, &mut fleet, now).await?;
                turns.looked_at(line, placed == Some(Placed::Assigned));
            }
        }
    }
    Ok(())
}

/// `None`: it went wrong, which keeps no other job from its turn.
async fn place_one(core: &Core, job: &Job, fleet: &mut Fleet, now: Timestamp) -> Result<Option<Placed>> {
    let span = tracing::info_span!("place job", job_id = %job.id);
    chassis::trace::continue_from(&span, job.traceparent.as_deref());
    match place::place(core, job.id, fleet, now).instrument(span).await {
        Ok(placed) => Ok(Some(placed)),
        Err(error) => {
            core.outlive(job.id, "job not placed; the next round tries again", error).await?;
            Ok(None)
        }
    }
}

/// A cancelled job needs no worker to end, and no due time.
async fn end_cancelled(core: &Core, now: Timestamp) -> Result<()> {
    let cancelled = jobs::to_cancel(&mut core.database.read().await?, CANCELLED_AT_ONCE).await?;
    for job in cancelled {
        place_one(core, &job, &mut Fleet::default(), now).await?;
    }
    Ok(())
}

/// The pools of the workers that could take a job now; `None` when nobody can. Many jobs may wait for the same few workers:
/// only those with a chance are worth reading.
fn open_pools(fleet: &Fleet) -> Option<Vec<String>> {
    let open = || fleet.workers.iter().filter(|worker| worker.has_room());
    open().next()?;
    let pools: BTreeSet<&String> = open().flat_map(|worker| &worker.pools).map(|pool| &pool.name).collect();
    Some(pools.into_iter().filter(|pool| !fleet.is_full(pool)).cloned().collect())
}
