//! Chaos: the services as processes, two of each, on the real servers, under a random workload and random faults; then they
//! settle, and everything that was promised is checked.
//!
//! A seed makes the plan; what the machine makes of it differs from run to run.

mod actor;
mod caller;
mod content;
mod fleet;
pub mod link;
mod objects;
mod plan;
mod rows;
mod settle;
mod store_fault;
mod strikes;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use actor::{Actor, Ledger};
use fleet::Fleet;
use strikes::Breaches;
use watch::Memory;

const ACTORS: usize = 5;
/// After the last fault, all that was begun ends within this time.
const SETTLE_LIMIT: Duration = Duration::from_secs(240);

/// What a run did and found.
#[derive(Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub faults: BTreeMap<String, usize>,
    /// By kind and ending.
    pub jobs: BTreeMap<String, i64>,
    pub restored: usize,
    pub settled_after: Duration,
    /// The most that each service took, in MiB.
    pub memory_mib: Vec<(&'static str, u64)>,
    /// What must not be. Nothing else decides the verdict.
    pub breaches: Vec<String>,
}

/// Runs so long by this seed. An error is one of the run itself; what the services did wrong is in the report.
pub async fn run(seed: u64, length: Duration) -> Result<Report> {
    let events = plan::faults(seed, length);
    let mut report = Report { seed, ..Report::default() };
    for event in &events {
        *report.faults.entry(event.fault.kind()).or_default() += 1;
    }
    let fleet = Arc::new(Fleet::start().await?);
    println!(
        "seed {seed}: {} faults in {} s; logs: {}",
        events.len(),
        length.as_secs(),
        fleet.places.log_folder().display()
    );
    let (breaches, ledger, memory) = (Arc::<Breaches>::default(), Arc::<Ledger>::default(), Arc::<Memory>::default());
    let watching = watch::watch(Arc::clone(&fleet), Arc::clone(&breaches), Arc::clone(&memory));
    let watching = AbortOnDropHandle::new(stdx::task::spawn("watch", watching));
    settle::until_ready(&fleet).await?;

    let end = Instant::now() + length;
    let give_up = end + SETTLE_LIMIT;
    let mut actors = JoinSet::new();
    for number in 0..ACTORS {
        let actor = Actor::new(number, seed, Arc::clone(&fleet), Arc::clone(&ledger), give_up)?;
        actors.spawn(actor.act(end));
    }
    strikes::strike(&fleet, events, &breaches).await.context("strike")?;
    println!("the last fault is over");
    let calm = Instant::now();
    while let Some(ended) = actors.join_next().await {
        breaches.note(ended.context("an actor")?);
    }
    settle::settled(&fleet, &breaches, give_up).await;
    report.settled_after = calm.elapsed();
    settle::check(&fleet, &ledger, &breaches, &mut report).await?;
    watching.abort();
    let _ended = watching.await;
    report.memory_mib = memory.peaks().map(|(name, peak)| (name, peak / 1024)).collect();
    report.breaches.extend(memory.breaches());
    report.breaches.extend(breaches.take());
    if report.breaches.is_empty() {
        forget(fleet);
    }
    Ok(report)
}

/// The logs of a run that went well go; those of any other stay for a look.
fn forget(fleet: Arc<Fleet>) {
    if let Ok(mut fleet) = Arc::try_unwrap(fleet) {
        fleet.places.folder.disable_cleanup(false);
    }
}
