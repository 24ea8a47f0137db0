//! The api, the schedulers and the workers in one deterministic simulation: their own code over a database, a broker, a
//! store and pools that fail as a seed says, in a time that only passes when nothing is left to do.
//!
//! What is played instead of run: the engine's transfers (`operations`), pools, store, broker, and the wires between the
//! processes. What is theirs: the api's router, the scheduler's rounds, reconcilers and calls, the outbox's relay, the worker
//! from its intake to its reports, and every statement on a real SQLite.

mod broker;
mod check;
mod clients;
mod faults;
mod hub;
mod leases;
mod objects;
mod observed;
mod operations;
mod planted;
mod pool;
mod services;
mod sessions;
mod steps;
mod template;
mod ways;
mod workers;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

pub use planted::Planted;
pub use steps::{Deed, How, Steps, deed};

use crate::world::World;

/// After the last fault everything has ended within this.
const SETTLES_WITHIN: Duration = Duration::from_secs(900);
/// What goes on behind the last job: copies that nobody needs are found and go.
const TAIL: Duration = Duration::from_secs(30);

/// What a simulation shall be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub requests: u64,
    /// Outages, crashes and cuts.
    pub faults: u64,
    pub planted: Option<Planted>,
    /// Tells on standard output what happens.
    pub is_told: bool,
}

impl Plan {
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self { seed, requests: 1000, faults: 24, planted: None, is_told: false }
    }
}

/// What it showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub jobs: u64,
    /// Of everything that happened: the same for the same plan.
    pub trace: u64,
    pub events: u64,
    pub virtual_time: Duration,
    /// Requests by the job they ask for, and faults.
    pub counts: BTreeMap<&'static str, u64>,
    /// Jobs by how they ended.
    pub ends: BTreeMap<String, i64>,
    pub violations: Vec<String>,
}

/// Runs one simulation to its end.
///
/// # Errors
/// When it cannot begin.
pub fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let mut world = World::new(plan.seed, plan.planted, plan.is_told)?;
    world.start_api();
    (0..2).for_each(|index| world.start_scheduler(index));
    (0..3).for_each(|host| world.start_worker(host));
    world.run_until(Duration::from_secs(2));
    let window_ms = plan.requests * 60;
    for _ in 0..plan.requests {
        world.after_ms(0, window_ms, World::random_request);
    }
    world.let_things_go_wrong(window_ms, plan.faults);
    world.run_until(Duration::from_millis(2000 + window_ms + 1));
    let give_up = world.elapsed() + SETTLES_WITHIN;
    while !world.is_settled() && world.elapsed() < give_up {
        let next = world.elapsed() + Duration::from_secs(1);
        world.run_until(next);
    }
    let end = world.elapsed() + TAIL;
    world.run_until(end);
    world.check();
    Ok(outcome(world))
}

fn outcome(mut world: World) -> Outcome {
    let rows = world.rows("SELECT kind || ' ' || state AS id, COUNT(*) AS jobs FROM jobs GROUP BY kind, state");
    let ends: BTreeMap<String, i64> =
        rows.iter().filter_map(|row| Some((row.text("id").ok()?, row.i64("jobs").ok()?))).collect();
    Outcome {
        jobs: ends.values().sum::<i64>().unsigned_abs(),
        trace: world.trace.hash,
        events: world.trace.events,
        virtual_time: world.elapsed(),
        counts: world.counts.clone(),
        ends,
        violations: world.hub.with(|shared| shared.violations.clone()),
    }
}
