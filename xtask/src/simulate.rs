//! `cargo xtask simulate`: the services in one deterministic simulation; a seed repeats what it showed.

use clap::Args;

use crate::step::{Steps, cargo, command};

/// Without any of them: that many jobs as the tests simulate.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many jobs at least; 0: that seed alone.
    #[arg(long, default_value_t = 0)]
    jobs: u64,
    /// Tell everything that happens.
    #[arg(long)]
    tell: bool,
    /// Instead: let every step of every kind of job go wrong, one at a time.
    #[arg(long)]
    every_step: bool,
}

/// What the tests simulate; longer runs are asked for.
const JOBS: &str = "100000";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let (seed, jobs) = (options.seed.to_string(), options.jobs.to_string());
    let mut arguments = vec!["--seed", &seed, "--jobs", &jobs];
    arguments.extend(options.tell.then_some("--tell"));
    arguments.extend(options.every_step.then_some("--every-step"));
    command(simulation(&arguments)).await
}

/// Every step of every kind of job, and random schedules.
pub(crate) async fn all(steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("simulate every step", command(simulation(&["--every-step"]))).await?;
    steps.run("simulate random schedules", command(simulation(&["--jobs", JOBS]))).await
}

fn simulation(arguments: &[&str]) -> std::process::Command {
    let mut run =
        cargo(&["run", "--release", "--quiet", "--package", "simulation", "--bin", "emberkeep-simulate", "--"]);
    run.args(arguments);
    run
}
