//! `emberkeep-backup-worker`: moves bytes between pools and the object store.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backup_worker::{Contact, Deps, Sections};
use chassis::exit::Failure;
use chassis::{health, trouble};
use clap::Parser;
use messaging::Broker;
use tokio_util::task::AbortOnDropHandle;
use volume::{DirectoryPool, Pool, PoolConfig};

/// How long it is waited before what could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(2);
const PROBE_PERIOD: Duration = Duration::from_secs(60);
/// An object, or a container, that nobody makes.
const NOTHING: &str = "emberkeep-nothing";

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
    let shutdown = chassis::shutdown::signals();
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
    let contact = Contact::default();
    health::spawn(&sections.health, needs(&config.scheduler_url, &contact, &broker), ended.clone()).await?;
    let opened = async {
        open("spool", || backup_worker::make_spool(&config)).await?;
        let store = open("store", || storage::open(&sections.store)).await?;
        let mut pools = Vec::new();
        for pool in &sections.pools {
            pools.push(open(&format!("pool {}", pool.name), || open_pool(pool)).await?);
        }
        Ok::<_, domain::Error>((store, pools))
    };
    let Some(opened) = shutdown.run_until_cancelled(opened).await else { return Ok(()) };
    let (store, pools) = opened?;
    tracing::info!(scheduler = config.scheduler_url, host = config.host, pools = pools.len(), "backup worker starts");
    let container = config.layout.container.clone().unwrap_or_else(|| NOTHING.to_owned());
    let _probe = AbortOnDropHandle::new(stdx::task::spawn("store probe", probe(Arc::clone(&store), container)));

    let deps = Deps { broker: Arc::clone(&broker), channel, store, pools };
    Box::pin(backup_worker::run(deps, config, contact, shutdown)).await?;
    broker.close().await;
    ended.cancel();
    Ok(())
}

fn open_pool(config: &PoolConfig) -> domain::Result<Arc<dyn Pool>> {
    Ok(Arc::new(DirectoryPool::open(config)?))
}

/// Opens what may not be there yet, such as a directory that is mounted later; meanwhile it stands as a trouble.
async fn open<T>(what: &str, open: impl Fn() -> domain::Result<T>) -> domain::Result<T> {
    loop {
        match open() {
            Err(error) if error.retryable() => trouble::note(what, error.message()),
            outcome => {
                trouble::over(what);
                return outcome;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Asks for what is not there: the answer tells whether the store can be used, before a job has to find out.
async fn probe(store: Arc<dyn storage::ObjectStore>, container: String) {
    loop {
        if let Err(error) = store.head(&container, NOTHING).await {
            tracing::debug!(%error, "the store was asked for nothing");
        }
        tokio::time::sleep(PROBE_PERIOD).await;
    }
}

fn needs(scheduler_url: &str, contact: &Contact, broker: &Arc<dyn Broker>) -> health::Needs {
    let (contact, broker) = (contact.clone(), Arc::clone(broker));
    let silent = format!(
        "The scheduler at {scheduler_url} has not been heard of for ten seconds: see that it runs, and scheduler_url and the \
         certificates in [worker]."
    );
    let heard = move || std::future::ready(if contact.is_recent() { Ok(()) } else { Err(silent.clone()) });
    let has_broker = move || {
        let broker = Arc::clone(&broker);
        async move { broker.healthy().await.map_err(|error| error.message().to_owned()) }
    };
    health::Needs::default().with("scheduler", heard).with("broker", has_broker)
}
