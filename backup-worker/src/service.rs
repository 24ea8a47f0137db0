//! One worker process's life.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::WorkerId;
use domain::{Error, Result};
use messaging::Broker;
use stdx::backoff::Backoff;
use stdx::report::Chain;
use storage::ObjectStore;
use storage::layers::Paced;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Channel;
use volume::Pool;

use crate::config::Config;
use crate::contact::Contact;
use crate::identity::Identity;
use crate::intake;
use crate::job::Worker;
use crate::lease::{Lease, Terms};
use crate::limits::Limits;
use crate::link::{Calls, Grpc, Link};
use crate::operations::{Engine, Operations};
use crate::running::{self, Running};
use crate::session::{InDoubt, Session};
use crate::spaces::Spaces;
use crate::stored::Watch;
use crate::work::Workshop;

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Checkpoints of all jobs on their way to the session.
const CHECKPOINTS_WAITING: usize = 4;

/// What a worker works with.
#[derive(Debug)]
pub struct Deps {
    pub broker: Arc<dyn Broker>,
    /// To the scheduler's gRPC server; may be lazy.
    pub channel: Channel,
    pub store: Arc<dyn ObjectStore>,
    /// The pools that this host reaches.
    pub pools: Vec<Arc<dyn Pool>>,
}

/// The ways out of a worker.
#[derive(Debug)]
pub struct Ports {
    pub broker: Arc<dyn Broker>,
    pub calls: Arc<dyn Calls>,
    pub store: Arc<dyn ObjectStore>,
    pub pools: Vec<Arc<dyn Pool>>,
    pub operations: Arc<dyn Operations>,
}

impl From<Deps> for Ports {
    fn from(Deps { broker, channel, store, pools }: Deps) -> Self {
        Self { broker, calls: Arc::new(Grpc::new(channel)), store, pools, operations: Arc::new(Engine) }
    }
}

/// Runs a worker until `shutdown`, then drains: running jobs get `drain_timeout_secs`, what still runs then is handed back
/// and another worker goes on. Dropping the future instead is a crash: leases end, nothing is reported.
pub async fn run(deps: Deps, config: Config, contact: Contact, shutdown: CancellationToken) -> Result<()> {
    make_spool(&config)?;
    keep(Ports::from(deps), config, contact, shutdown).await
}

/// Makes the directory in which hashes wait.
///
/// # Errors
/// `Unavailable` when that cannot be done now.
pub fn make_spool(config: &Config) -> Result<()> {
    std::fs::create_dir_all(&config.spool_dir).map_err(|error| {
        let message = format!(
            "[worker] spool_dir {} cannot be made: let the service's user write there, or name another directory.",
            config.spool_dir.display()
        );
        Error::unavailable(message).with_source(error)
    })
}

/// [`run`] over any ways out.
pub async fn run_over(ports: Ports, config: Config, shutdown: CancellationToken) -> Result<()> {
    keep(ports, config, Contact::default(), shutdown).await
}

async fn keep(ports: Ports, config: Config, contact: Contact, shutdown: CancellationToken) -> Result<()> {
    let identity = Identity {
        worker_id: WorkerId::random(),
        host: config.host.clone(),
        availability_zone: config.storage_availability_zone.clone(),
        service: ports.store.service(),
        slots: config.backup_max_operations,
    };
    running::declare();
    let limits = Limits::new(config.backup_max_operations, config.bytes_per_second_max);
    let store: Arc<dyn ObjectStore> = Arc::new(Paced::new(ports.store, limits.pace()));
    let link = Link::new(ports.calls, identity.worker_id);
    let spaces = Spaces::open(&ports.pools).await;
    let known = async {
        // Its queue comes first: what is sent to a registered worker that has none is dropped, and that job waits until its
        // claim is overdue.
        let consumer = intake::open(ports.broker.as_ref(), &identity).await;
        Ok::<_, Error>((consumer, register(&link, &identity, &spaces).await?))
    };
    let Some(known) = shutdown.run_until_cancelled(known).await else { return Ok(()) };
    let (consumer, lease) = known?;
    tracing::info!(worker_id = %identity.worker_id, host = identity.host, "backup worker registered");

    let grace = Duration::from_secs(config.drain_timeout_secs);
    let terms = Arc::new(Terms::new(lease));
    let running = Arc::new(Running::new(Arc::clone(&terms)));
    let draining = shutdown.child_token();
    let (checkpoints, checkpoints_waiting) = mpsc::channel(CHECKPOINTS_WAITING);
    let session = Session {
        identity: identity.clone(),
        link: link.clone(),
        running: Arc::clone(&running),
        spaces,
        terms: Arc::clone(&terms),
        limits: limits.clone(),
        contact,
        grace,
        checkpoints: checkpoints_waiting,
        draining: draining.clone(),
        in_doubt: InDoubt::default(),
    };
    let (_stored, changed) = Watch::start(&ports.pools, &link);
    let workshop = Arc::new(Workshop::new(ports.operations, store, ports.pools, &config, &identity));
    let worker = Arc::new(Worker { link, running: Arc::clone(&running), workshop, checkpoints, changed });

    let session_end = CancellationToken::new();
    let session = AbortOnDropHandle::new(stdx::task::spawn("session", session.keep(session_end.clone())));
    let clock = async move { running.watch_leases().await };
    let _clock = AbortOnDropHandle::new(stdx::task::spawn("lease clock", clock));
    intake::run(&worker, consumer, limits.slots(), &draining, grace).await;
    session_end.cancel();
    session.await.map_err(|error| Error::internal("the session's task failed").with_source(error))?;
    tracing::info!("backup worker stopped");
    Ok(())
}

/// Tries until a scheduler answers; only a refusal is an error.
async fn register(link: &Link, identity: &Identity, spaces: &Spaces) -> Result<Lease> {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    let mut told = false;
    loop {
        match link.register(identity.registration(spaces.reports())).await {
            Ok(answer) => return Lease::parse(answer),
            Err(error) if !error.retryable() => return Err(error),
            // Health tells of it from then on.
            Err(error) if told => tracing::debug!(error = %Chain(&error), "not registered yet"),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "not registered yet; it is tried again");
                told = true;
            }
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}
