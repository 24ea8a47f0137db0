//! The services in this process, with workers that a test starts, stops and crashes.
//!
//! SQLite, the broker in memory, a posix store and one directory of volumes that all workers reach; the api listens on a
//! free port, workers and scheduler talk through pipes.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use domain::JobId;
use domain::job::Job;
use domain::quota::Resource;
use messaging::{Broker, Envelope, topology};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use storage::ObjectStore;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Channel;
use volume::{DirectoryPool, Pool, PoolConfig};

use crate::client::{Client, JOB_LIMIT, wait_until};
use crate::servers::PROJECT_ID;

/// How long after its job a write may come.
pub const LATE_WRITE_SECS: u32 = 10;
/// The pool's name.
pub const POOL: &str = "p1";
const MIB: u64 = 1 << 20;

/// Api and scheduler; everything ends when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    pub database: db::Database,
    pub store: Arc<dyn ObjectStore>,
    pub pool: Arc<dyn Pool>,
    broker: Arc<dyn Broker>,
    channel: Channel,
    endpoint: String,
    layout: backup_worker::Layout,
    shutdown: CancellationToken,
    _ended: DropGuard,
    directory: TempDir,
}

/// One worker. Dropped, it crashes: its tasks end where they are, and nobody is told.
#[derive(Debug)]
pub struct Worker {
    running: AbortOnDropHandle<domain::Result<()>>,
    shutdown: CancellationToken,
}

impl Worker {
    /// Ends it in order: running jobs are finished or handed back.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        Ok(self.running.await??)
    }
}

impl Cluster {
    /// Without workers.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for part in ["pool", "store", "images"] {
            std::fs::create_dir(directory.path().join(part))?;
        }
        let shutdown = CancellationToken::new();
        let connection = format!("sqlite://{}", directory.path().join("emberkeep.db").display());
        let database = db::Database::connect(&db::Config { connection, ..db::Config::default() }).await?;
        database.migrate().await?;
        let broker = messaging::memory();
        let nudge = outbox::Relay::spawn(database.clone(), Arc::clone(&broker), shutdown.clone());
        let deps = scheduler::Deps { database: database.clone(), broker: Arc::clone(&broker), nudge: nudge.clone() };
        let scheduler = scheduler::Scheduler::start(deps, hurried(scheduler::Config::default()), shutdown.clone());
        let (channel, incoming) = emberkeep::in_memory();
        let serving = shutdown.clone();
        stdx::task::spawn("scheduler", async move { scheduler.serve_grpc(incoming, serving).await });

        let config = api::Config { listen: "127.0.0.1:0".to_owned(), ..api::Config::default() };
        let listener = api::bind(&config).await?;
        let endpoint = format!("http://{}/v3", listener.local_addr()?);
        let deps = api::Deps { database: database.clone(), nudge };
        stdx::task::spawn("api", api::serve(deps, config, listener, shutdown.clone()));

        let config =
            storage::Config { backup_file_size: 16 * MIB, ..storage::Config::posix(directory.path().join("store")) };
        Ok(Self {
            store: storage::open(&config)?,
            pool: Arc::new(open_pool(directory.path())?),
            layout: backup_worker::Layout::from(&config),
            database,
            broker,
            channel,
            endpoint,
            shutdown: shutdown.clone(),
            _ended: shutdown.drop_guard(),
            directory,
        })
    }

    pub fn client(&self) -> Result<Client> {
        Client::new(&self.endpoint, PROJECT_ID)
    }

    /// A worker on the cluster's own store.
    #[must_use]
    pub fn worker(&self) -> Worker {
        self.worker_on(Arc::clone(&self.store))
    }

    /// A worker on another way to the store: one with faults, say.
    #[must_use]
    pub fn worker_on(&self, store: Arc<dyn ObjectStore>) -> Worker {
        self.worker_of("h1", store)
    }

    /// The same, on a host of this name.
    #[must_use]
    pub fn worker_of(&self, host: &str, store: Arc<dyn ObjectStore>) -> Worker {
        self.start_worker(host, store, self.channel.clone())
    }

    /// A worker of host `h1` that reaches a scheduler by this way.
    #[must_use]
    pub fn worker_over(&self, channel: Channel) -> Worker {
        self.start_worker("h1", Arc::clone(&self.store), channel)
    }

    /// One more scheduler on the same database, which listens as the configuration says, with the times of the first.
    pub async fn listen(&self, config: scheduler::Config) -> Result<SocketAddr> {
        let listener = tokio::net::TcpListener::bind(&config.listen).await?;
        let address = listener.local_addr()?;
        let shutdown = self.shutdown.clone();
        let (database, broker) = (self.database.clone(), Arc::clone(&self.broker));
        let nudge = outbox::Relay::spawn(database.clone(), Arc::clone(&broker), shutdown.clone());
        let deps = scheduler::Deps { database, broker, nudge };
        let scheduler = scheduler::Scheduler::start(deps, hurried(config), shutdown.clone());
        stdx::task::spawn("another scheduler", async move { scheduler.listen(listener, shutdown).await });
        Ok(address)
    }

    fn start_worker(&self, host: &str, store: Arc<dyn ObjectStore>, channel: Channel) -> Worker {
        let pools = vec![Arc::clone(&self.pool)];
        let deps = backup_worker::Deps { broker: Arc::clone(&self.broker), channel, store, pools };
        let config = backup_worker::Config {
            host: host.to_owned(),
            spool_dir: self.directory.path().join("spool"),
            drain_timeout_secs: 0,
            layout: self.layout.clone(),
            ..backup_worker::Config::default()
        };
        let shutdown = CancellationToken::new();
        let run = backup_worker::run(deps, config, backup_worker::Contact::default(), shutdown.clone());
        Worker { running: AbortOnDropHandle::new(stdx::task::spawn("worker", run)), shutdown }
    }

    /// The file of a volume.
    pub fn volume_path(&self, volume_id: &str) -> Result<PathBuf> {
        Ok(self.pool.path(volume_id.parse().context("a volume's id")?))
    }

    /// The file of a stored object.
    #[must_use]
    pub fn object_path(&self, container: &str, name: &str) -> PathBuf {
        self.directory.path().join("store").join(container).join(name)
    }

    /// Where files that may be adopted lie.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.directory.path().join("images")
    }

    /// The names of the files in the pool.
    pub fn pool_files(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(self.directory.path().join("pool"))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// The unfinished job about a volume, snapshot or backup, as soon as there is one that `accept` likes.
    pub async fn job_about(&self, resource_id: &str, accept: impl Fn(&Job) -> bool) -> Result<Job> {
        wait_until(&format!("a job about {resource_id} is under way"), JOB_LIMIT, async || {
            let mut conn = self.database.read().await?;
            Ok(db::jobs::unfinished_about(&mut conn, resource_id).await?.filter(&accept))
        })
        .await
    }

    /// The job once it has ended.
    pub async fn job_ended(&self, id: JobId) -> Result<Job> {
        wait_until(&format!("job {id} ends"), JOB_LIMIT, async || {
            Ok(Some(self.job(id).await?).filter(|job| job.state.is_terminal()))
        })
        .await
    }

    pub async fn job(&self, id: JobId) -> Result<Job> {
        let job = db::jobs::get(&mut self.database.read().await?, id).await?;
        job.with_context(|| format!("job {id}"))
    }

    /// Delivers the hint of a job's present generation once more, to the schedulers and to its worker.
    pub async fn hint_again(&self, job: &Job) -> Result<()> {
        let worker_queue = job.worker_id.map(|id| topology::worker_queue(&id.to_string()));
        for queue in [Some(topology::JOBS.to_owned()), worker_queue].into_iter().flatten() {
            let body = format!(r#"{{"job_id": "{}", "generation": {}}}"#, job.id, job.generation);
            let message_id = uuid::Uuid::new_v4().to_string();
            let envelope = Envelope { message_id, body: Bytes::from(body), traceparent: None };
            self.broker.declare(&queue).await?;
            self.broker.publish(&queue, envelope).await?;
        }
        Ok(())
    }

    /// What the tests' project holds, where it holds anything.
    pub async fn usage(&self) -> Result<Vec<(Resource, i64)>> {
        let usage = db::quotas::usage(&mut self.database.read().await?, PROJECT_ID).await?;
        let plain = usage.iter().filter(|(counter, used)| counter.volume_type_id.is_none() && *used != 0);
        Ok(plain.map(|(counter, used)| (counter.resource, used)).collect())
    }

    /// How many objects lie under a backup's place.
    pub async fn objects_of(&self, backup_id: &str) -> Result<usize> {
        let (container, prefix) = self.place_of(backup_id).await?;
        Ok(self.store.list(&container, &prefix, None).await?.entries.len())
    }

    /// A backup's container and prefix.
    pub async fn place_of(&self, backup_id: &str) -> Result<(String, String)> {
        let mut conn = self.database.read().await?;
        let row = db::backups::get(&mut conn, &db::Scope::All, backup_id).await?;
        row.container.zip(row.service_metadata).context("a place")
    }
}

/// Everything is noticed soon.
fn hurried(config: scheduler::Config) -> scheduler::Config {
    scheduler::Config {
        lease_ttl_secs: 2,
        heartbeat_interval_secs: 1,
        claim_timeout_secs: 1,
        late_write_secs: LATE_WRITE_SECS,
        tick_ms: 50,
        ..config
    }
}

fn open_pool(directory: &Path) -> Result<DirectoryPool> {
    let manage_paths = vec![directory.join("images")];
    let config = PoolConfig { manage_paths, ..PoolConfig::new(POOL, directory.join("pool")) };
    Ok(DirectoryPool::open(&config)?)
}

/// Writes random bytes of a seed into a volume.
pub fn write_random(path: &Path, offset: u64, length: usize, seed: u64) -> Result<()> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    let file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&bytes, offset)?;
    Ok(())
}

/// The SHA-256 of a whole volume.
pub fn content(path: &Path) -> Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    io::copy(&mut std::fs::File::open(path)?, &mut io::BufWriter::with_capacity(1 << 20, Sink(&mut hasher)))?;
    Ok(hasher.finalize().into())
}

struct Sink<'a>(&'a mut Sha256);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
