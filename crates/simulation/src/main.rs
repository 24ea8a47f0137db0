//! `emberkeep-simulate --seed N --jobs M`: simulations one after the other, on all cores, until so many jobs have ended.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use simulation::{Deed, How, Outcome, Plan, Planted};

#[derive(Parser)]
#[command(about = "Simulates the services, with faults, by a seed")]
struct Arguments {
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many jobs at least; 0: that seed alone.
    #[arg(long, default_value_t = 0)]
    jobs: u64,
    /// Requests of one simulation.
    #[arg(long, default_value_t = 1000)]
    requests: u64,
    #[arg(long, default_value_t = 24)]
    faults: u64,
    /// Tell what happens.
    #[arg(long)]
    tell: bool,
    /// Instead: let every step of every kind of job go wrong, one at a time.
    #[arg(long)]
    every_step: bool,
    /// With a mistake planted, as the tests do.
    #[arg(long)]
    planted: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.tell {
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    }
    if arguments.every_step {
        return every_step();
    }
    let planted = match &arguments.planted {
        None => None,
        Some(name) => {
            let found = Planted::ALL.into_iter().find(|planted| format!("{planted:?}") == *name);
            Some(found.with_context(|| format!("no such mistake; there are {:?}", Planted::ALL))?)
        }
    };
    let (jobs, seeds, failed) = (AtomicU64::new(0), AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let began = Instant::now();
    let threads = if arguments.jobs == 0 { 1 } else { std::thread::available_parallelism()?.get() };
    let print = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = seeds.fetch_add(1, Ordering::Relaxed);
                    let Arguments { requests, faults, tell: is_told, .. } = arguments;
                    let plan = Plan { seed, requests, faults, planted, is_told };
                    // A runtime of its own, as a thread's clock and chance are one's own.
                    let outcome = std::thread::spawn(move || simulation::run(plan)).join();
                    let _printing = print.lock();
                    match outcome {
                        Ok(Ok(outcome)) => {
                            jobs.fetch_add(outcome.jobs, Ordering::Relaxed);
                            failed.fetch_or(!outcome.violations.is_empty(), Ordering::Relaxed);
                            report(seed, &outcome, threads == 1);
                        }
                        other => {
                            println!("seed {seed} did not end: {:?}", other.map(|outcome| outcome.map(drop)));
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                    if jobs.load(Ordering::Relaxed) >= arguments.jobs {
                        break;
                    }
                }
            });
        }
    });
    println!("{} jobs in {:.1} s", jobs.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    Ok(if failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(seed: u64, outcome: &Outcome, in_full: bool) {
    if in_full {
        println!("{:#?} {:#?}", outcome.counts, outcome.ends);
        println!(
            "{} jobs, {} events, {:.0} s of virtual time, trace {:016x}",
            outcome.jobs,
            outcome.events,
            outcome.virtual_time.as_secs_f64(),
            outcome.trace
        );
    }
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }
    if !outcome.violations.is_empty() {
        println!("again: cargo xtask simulate --seed {seed}");
    }
}

fn every_step() -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let mut all: Vec<(Deed, How, u64)> = Vec::new();
    for deed in Deed::ALL {
        let quiet = std::thread::spawn(move || simulation::deed(deed, None)).join();
        let (steps, outcome) = quiet.map_err(|_| anyhow::anyhow!("{deed:?} does not end"))??;
        println!("{deed:?}: {steps:?} {:?}", outcome.violations);
        all.extend(steps.all().into_iter().map(|(how, at)| (deed, how, at)));
    }
    let (next, jobs, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((deed, how, at)) =
                    usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().and_then(|index| all.get(index)).copied()
                {
                    let outcome = std::thread::spawn(move || simulation::deed(deed, Some((how, at)))).join();
                    let violations = match outcome {
                        Ok(Ok((_, outcome))) => {
                            jobs.fetch_add(outcome.jobs, Ordering::Relaxed);
                            outcome.violations
                        }
                        _ => vec!["it did not end".to_owned()],
                    };
                    for violation in &violations {
                        println!("{deed:?}, {how:?} at {at}: {violation}");
                    }
                    failed.fetch_add(u64::from(!violations.is_empty()), Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.load(Ordering::Relaxed);
    println!(
        "{} steps of {} kinds went wrong, {} jobs, {failed} violations, {:.1} s",
        all.len(),
        Deed::ALL.len(),
        jobs.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64()
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
