//! `emberkeep config …`: every option as the code has it, as samples and as a reference; and what comes over from Cinder.

pub mod import;
pub mod options;
mod reference;
mod sample;

use std::process::ExitCode;

use options::Service;

pub use reference::reference;
pub use sample::sample;

/// What can be done with configuration.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Config {
    /// Print a commented sample of a service's file: every option with its default, and what must be given.
    Sample { service: Service },
    /// Print all options of all services as a page: docs/CONFIGURATION.md.
    Reference,
    /// Write the files of api, scheduler and backup worker from a cinder.conf, and say what did not come over.
    Import(import::Arguments),
}

/// Carries a command out.
pub fn run(command: Config) -> anyhow::Result<ExitCode> {
    match command {
        Config::Sample { service } => print!("{}", sample(service)),
        Config::Reference => print!("{}", reference()),
        Config::Import(arguments) => return import::run(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}
