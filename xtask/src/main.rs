//! The project's own commands: `cargo xtask <command>`.

mod bench;
mod chaos;
mod codegen;
mod compose;
mod conformance;
mod package;
mod process;
mod servers;
mod simulate;
mod step;
mod test;
mod tidy;
mod venv;
mod workspace;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Emberkeep's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check and every test, with real RabbitMQ, PostgreSQL, Swift and Keystone.
    Test {
        /// Only what needs no servers: format, lints, tidy, the default tests.
        #[arg(long)]
        quick: bool,
    },
    /// Start the real servers, print the variables that tests read, and wait for Ctrl-C.
    Servers,
    /// Run OpenStack's own test suites and clients against the services.
    Conformance(conformance::Options),
    /// Run the services under random work and random faults on the real servers, then check that nothing was lost.
    Chaos(chaos::Options),
    /// Build docker-compose.yml, start it with a Docker engine of our own, use it, scale it, and tear it down.
    ComposeTest(compose::Options),
    /// Make a Debian package of the services and the command.
    Package(package::Options),
    /// Measure the services.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Run the services in a simulation with faults, by a seed.
    Simulate(simulate::Options),
    /// Check the rules that compiler and clippy do not know.
    Tidy,
    /// Generate proto/src/generated, the samples in config/ and docs/CONFIGURATION.md; `--check` only compares.
    Codegen {
        #[arg(long)]
        check: bool,
    },
}

// One thread: the kernel tells a child's parent-death signal by the thread that started it (see `process`).
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Whatever ends the work drops it, and with it every process that it started.
    tokio::select! {
        outcome = run(Arguments::parse().command) => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        outcome = interrupted() => {
            match outcome {
                Ok(name) => eprintln!("\nstopped by {name}; ending what was started"),
                Err(error) => eprintln!("error: {error:#}"),
            }
            ExitCode::from(130)
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test { quick: true } => test::quick().await,
        Command::Test { quick: false } => test::full().await,
        Command::Servers => test::servers_only().await,
        Command::Conformance(options) => conformance::run(options).await,
        Command::Chaos(options) => chaos::run(options).await,
        Command::ComposeTest(options) => compose::run(options).await,
        Command::Package(options) => package::run(options).await,
        Command::Bench(bench) => bench::run(bench).await,
        Command::Simulate(options) => simulate::run(&options).await,
        Command::Tidy => tidy::run(),
        Command::Codegen { check } => codegen::run(check),
    }
}

/// Returns when the user or the machine wants an end.
async fn interrupted() -> anyhow::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}
