//! What operators watch, read from the rows: every scheduler shows the same, so that any of them may be asked.

use chassis::metrics::Gauge;
use db::{dead_letters, measures};
use domain::job::{JobKind, JobState};
use domain::{Result, Timestamp};

use crate::core::Core;
use crate::place;

static JOBS: Gauge = Gauge::new("emberkeep_jobs", "Unfinished jobs.");
static JOB_AGE: Gauge = Gauge::new("emberkeep_oldest_job_age_seconds", "Since when the oldest unfinished job waits.");
static UNSENT: Gauge = Gauge::new("emberkeep_outbox_messages", "Messages that are not sent yet.");
static UNSENT_AGE: Gauge = Gauge::new("emberkeep_outbox_age_seconds", "Since when the oldest unsent message waits.");
static DEAD: Gauge = Gauge::new("emberkeep_dead_letters", "Messages that nobody could handle.");
static WORKERS: Gauge = Gauge::new("emberkeep_workers", "Live workers.");
static SLOTS: Gauge =
    Gauge::new("emberkeep_slots", "Jobs that the live workers may do at once, and those that they do.");

const UNFINISHED: [JobState; 3] = [JobState::Queued, JobState::Assigned, JobState::Running];

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let mut conn = core.database.read().await?;
    let waiting = measures::unfinished_jobs(&mut conn).await?;
    let (unsent, since) = measures::unsent(&mut conn).await?;
    let dead = dead_letters::count(&mut conn).await?;
    drop(conn);
    let age = |since: Option<Timestamp>| since.map_or(0, |since| (now.micros() - since.micros()).max(0) / 1_000_000);
    for state in UNFINISHED {
        let of_state = || waiting.iter().filter(move |waiting| waiting.state == state);
        JOB_AGE.set(age(of_state().map(|waiting| waiting.since).min()), &[("state", state.as_str())]);
        for kind in JobKind::ALL {
            let count = of_state().filter(|waiting| waiting.kind == *kind).map(|waiting| waiting.count).sum();
            JOBS.set(count, &[("kind", kind.as_str()), ("state", state.as_str())]);
        }
    }
    UNSENT.set(unsent, &[]);
    UNSENT_AGE.set(age(since), &[]);
    DEAD.set(dead, &[]);
    let workers = place::fleet(core, now).await?.workers;
    let count = |draining: bool| workers.iter().filter(|worker| worker.disabled == draining).count();
    for (state, draining) in [("up", false), ("draining", true)] {
        WORKERS.set(i64::try_from(count(draining)).unwrap_or(i64::MAX), &[("state", state)]);
    }
    SLOTS.set(workers.iter().map(|worker| worker.slots).sum(), &[("use", "all")]);
    SLOTS.set(workers.iter().map(|worker| worker.busy).sum(), &[("use", "busy")]);
    Ok(())
}
