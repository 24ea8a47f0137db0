//! `cargo xtask bench …`: what the services cost, measured on the real binaries.

mod api;
mod engine;
mod fill;
mod latency;
mod load;
mod service;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use crate::step::{self, Steps};
use crate::workspace;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Fill a database, start the api on it and measure requests.
    Api(api::Options),
    /// Back up and restore files, and let others do the same.
    Engine(engine::Options),
    /// Start all services and measure from a request to its end.
    Latency(latency::Options),
}

/// Which binaries are measured.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Build {
    /// Measure the debug build: quick to make, slow to run.
    #[arg(long)]
    debug: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
}

pub(crate) async fn run(bench: Bench) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    match bench {
        Bench::Api(options) => api::run(&mut steps, &options).await,
        Bench::Engine(options) => engine::run(&mut steps, &options).await,
        Bench::Latency(options) => latency::run(&mut steps, &options).await,
    }
}

impl Build {
    /// The folder of the binaries.
    fn folder(self) -> &'static str {
        if self.debug { "debug" } else { "release" }
    }

    /// The services and the one process, as users build them.
    async fn make(self) -> anyhow::Result<()> {
        let mut arguments = vec!["build"];
        if !self.debug {
            arguments.push("--release");
        }
        step::command(step::cargo(&arguments)).await.context("build what is measured")
    }

    fn program(self, name: &str) -> anyhow::Result<std::path::PathBuf> {
        Ok(workspace::target_directory()?.join(self.folder()).join(name))
    }
}
