//! `emberkeep demo`: the whole story on this machine, through the REST API, with every comparison made.

mod client;
mod content;
mod story;

use std::path::PathBuf;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::one_process::OneProcess;
use crate::{Sections, config::DataDirectory};

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The volume's content; without it, files found on this machine.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The volume's size in GiB; with --from at least the file's.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    size_gb: u64,
    /// Work in this directory and leave it behind; without it, in a temporary one that goes at the end.
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

/// Starts the one process in a fresh data directory and walks the story. An error means that a step failed or that a
/// comparison did not hold.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let temporary = tempfile::Builder::new().prefix("emberkeep-demo-").tempdir().context("make a data directory")?;
    let path = arguments.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let data = DataDirectory::open(&path).with_context(|| format!("prepare {}", path.display()))?;
    let size_gb = match &arguments.from {
        Some(source) => content::size_gb_of(source)?.max(arguments.size_gb),
        None => arguments.size_gb,
    };
    let mut sections = Sections::default();
    sections.api.listen = "127.0.0.1:0".to_owned();
    sections.telemetry.log_filter = "warn".to_owned();
    let _telemetry = chassis::telemetry::init("emberkeep", &sections.telemetry)?;
    let process = OneProcess::start(sections, &data, CancellationToken::new()).await?;
    let told = story::walk(&process, size_gb, arguments.from).await;
    process.stop().await?;
    told
}
