//! The program behind `cargo xtask chaos`, which starts the servers and passes their addresses in the environment.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::chaos::{self, Report};

#[derive(Parser)]
#[command(about = "Kills, cuts and fails whatever the services stand on, and checks that nothing is lost")]
struct Arguments {
    /// Makes the plan.
    #[arg(long)]
    seed: u64,
    /// How long faults strike.
    #[arg(long)]
    minutes: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match chaos::run(arguments.seed, Duration::from_secs_f64(arguments.minutes * 60.0)).await {
        Ok(report) => {
            show(&report);
            if report.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: the run itself failed: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn show(report: &Report) {
    println!("── seed {}", report.seed);
    println!("── {} faults", report.faults.values().sum::<usize>());
    report.faults.iter().for_each(|(kind, count)| println!("{count:>6}  {kind}"));
    println!("── {} jobs", report.jobs.values().sum::<i64>());
    report.jobs.iter().for_each(|(kind, count)| println!("{count:>6}  {kind}"));
    println!("── settled {:.1} s after the last fault", report.settled_after.as_secs_f64());
    println!("── {} available backups restored and compared", report.restored);
    let memory: Vec<String> = report.memory_mib.iter().map(|(name, mib)| format!("{name} {mib}")).collect();
    println!("── most memory, in MiB: {}", memory.join(", "));
    report.breaches.iter().for_each(|breach| println!("BREACH  {breach}"));
    println!("── {}", if report.breaches.is_empty() { "nothing was lost" } else { "PROMISES WERE BROKEN" });
}
