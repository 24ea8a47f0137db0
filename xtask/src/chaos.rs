//! `cargo xtask chaos`: the services under random work and random faults, on the real servers; then what must hold is checked.

use clap::Args;

use crate::servers::{Servers, packages};
use crate::step::{cargo, command};
use crate::workspace;

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Makes the plan of faults and work; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults strike; settling and checking come after that.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
}

impl Options {
    /// For every full run of the tests: the same seed, so that what is red is the change. Other seeds are asked for.
    pub(crate) const fn short() -> Self {
        Self { seed: Some(7), minutes: 1.0 }
    }
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    packages::ensure().await?;
    command(cargo(&["build", "-p", "api", "-p", "scheduler", "-p", "backup-worker", "-p", "tests", "--bins"])).await?;
    let servers = Servers::start().await?;
    against(&servers, options).await
}

/// The programs are built, the servers run.
pub(crate) async fn against(servers: &Servers, options: Options) -> anyhow::Result<()> {
    let binaries = workspace::target_directory()?.join("debug");
    let mut chaos = std::process::Command::new(binaries.join("chaos"));
    chaos.arg("--seed").arg(options.seed.unwrap_or_else(seed).to_string());
    chaos.arg("--minutes").arg(options.minutes.to_string());
    chaos.envs(servers.variables()).env("EMBERKEEP_TEST_BIN_DIR", binaries);
    command(chaos).await
}

/// From the clock, short enough to be typed.
fn seed() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(now.subsec_nanos()) % 1_000_000
}
