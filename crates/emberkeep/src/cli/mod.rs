//! The commands that talk to a service, in the words of the `openstack` client: `emberkeep backup list`. Those about volumes,
//! snapshots, backups and services use Cinder's own routes alone and so serve any Cinder; those about jobs are ours.

pub mod backup;
mod events;
mod find;
pub mod job;
mod output;
pub mod service;
pub mod snapshot;
pub mod volume;
mod wait;

use std::process::ExitCode;

use clap::Subcommand;

use crate::client::{Access, Client};
pub(crate) use find::BACKUP;
use output::Output;

/// What the exit codes of these commands mean, as every help page says it.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused, or the service cannot be reached; 2 the command line is wrong; \
                          3 a verified backup is damaged; 4 what was waited for ended badly.";
/// What was waited for ended badly.
pub(crate) const ENDED_BADLY: u8 = 4;

/// A noun, and what is to be done with it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments<A: Subcommand> {
    #[command(subcommand)]
    action: A,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    access: Box<Access>,
}

/// What a noun can do.
pub trait Action {
    #[expect(async_fn_in_trait, reason = "nobody outside of this crate implements it")]
    async fn run(self, context: Context) -> anyhow::Result<ExitCode>;
}

/// The service, and how its answers are shown.
#[derive(Debug)]
pub struct Context {
    client: Client,
    output: Output,
}

/// Carries a command out.
pub async fn run<A: Subcommand + Action>(arguments: Arguments<A>) -> anyhow::Result<ExitCode> {
    let Arguments { action, output, access } = arguments;
    let client = access.connect().await?;
    Box::pin(action.run(Context { client, output })).await
}
