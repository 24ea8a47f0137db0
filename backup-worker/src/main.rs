//! `emberkeep-backup-worker`: moves bytes between pools and the object store.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use backup_worker::{Contact, Deps, Sections};
use chassis::exit::Failure;
use chassis::health;
use clap::Parser;
use volume::{DirectoryPool, Pool, PoolConfig};

#[derive(Parser)]
#[command(name = "emberkeep-backup-worker", version, about = "Emberkeep's backup worker", after_help = chassis::config::HELP)]
struct Arguments {
    /// Configuration file (TOML); every option can be given as EMBERKEEP_SECTION__OPTION too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    chassis::exit::run_main("emberkeep-backup-worker", work(arguments))
}

async fn work(arguments: Arguments) -> Result<(), Failure> {
    let sections = chassis::config::load_checked(arguments.config.as_deref(), "EMBERKEEP", Sections::check)?;
    let config = sections.config()?;
    let _telemetry = chassis::telemetry::init("emberkeep-backup-worker", &sections.telemetry)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let channel = backup_worker::channel(&config)?;
    // Ends the broker's connection too, so not before the worker has drained.
    let ended = tokio_util::sync::CancellationToken::new();
    let broker = messaging::connect(&sections.messaging, &ended)?;
    let store = storage::open(&sections.store)?;
    let pools = sections.pools.iter().map(open_pool).collect::<domain::Result<Vec<_>>>()?;
    tracing::info!(scheduler = config.scheduler_url, host = config.host, pools = pools.len(), "backup worker starts");

    let deps = Deps { broker: Arc::clone(&broker), channel, store, pools };
    let (contact, answered) = (Contact::default(), Arc::clone(&broker));
    let heard = contact.clone();
    let needs = health::Needs::default()
        .with("scheduler", move || std::future::ready(heard.is_recent()))
        .with("broker", move || has_broker(Arc::clone(&answered)));
    health::spawn(&sections.health, needs, ended.clone()).await?;
    Box::pin(backup_worker::run(deps, config, contact, chassis::shutdown::signals())).await?;
    broker.close().await;
    ended.cancel();
    Ok(())
}

fn open_pool(config: &PoolConfig) -> domain::Result<Arc<dyn Pool>> {
    Ok(Arc::new(DirectoryPool::open(config)?))
}

async fn has_broker(broker: Arc<dyn messaging::Broker>) -> bool {
    broker.healthy().await
}
