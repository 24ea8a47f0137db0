//! A worker and everything around it.

use std::sync::Arc;
use std::time::Duration;

use backup_worker::{Config, Deps, Layout};
use bytes::Bytes;
use domain::{BackupId, JobId, VolumeId};
use hyper_util::rt::TokioIo;
use messaging::{Broker, Envelope, topology};
use proto::worker::finish_request::Outcome;
use proto::worker::job::Work;
use proto::worker::workers_server::WorkersServer;
use proto::worker::{self as wire, Done, Failure, FinishRequest};
use storage::ObjectStore;
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::{Endpoint, Server};
use volume::{DirectoryPool, Pool, PoolConfig};

use crate::scripted::{Script, Scripted};

pub(crate) const POOL: &str = "p1";
/// Another pool that the worker reaches.
pub(crate) const OTHER: &str = "other";
pub(crate) const GIB: u64 = 1 << 30;
const DEADLINE: Duration = Duration::from_secs(60);
const PIPE_BYTES: usize = 64 * 1024;

pub(crate) struct Rig {
    pub(crate) script: Arc<Script>,
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) other: Arc<dyn Pool>,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) shutdown: CancellationToken,
    pub(crate) worker: AbortOnDropHandle<domain::Result<()>>,
    broker: Arc<dyn Broker>,
    finishes: mpsc::Receiver<FinishRequest>,
    _server: AbortOnDropHandle<()>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with_store(|store| store).await
    }

    /// `wrap` puts something between the worker and its store.
    pub(crate) async fn with_store(wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self::with(wrap, |broker, _| broker).await
    }

    /// `between` puts something between the worker and its broker, which may look at the scheduler.
    pub(crate) async fn with(
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
        between: impl FnOnce(Arc<dyn Broker>, &Arc<Script>) -> Arc<dyn Broker>,
    ) -> Self {
        Self::inside(tempfile::tempdir().expect("a directory"), wrap, between).await
    }

    /// Pools and store lie in `directory`.
    pub(crate) async fn inside(
        directory: tempfile::TempDir,
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
        between: impl FnOnce(Arc<dyn Broker>, &Arc<Script>) -> Arc<dyn Broker>,
    ) -> Self {
        for part in ["pool", "other", "store", "images"] {
            std::fs::create_dir(directory.path().join(part)).expect("made");
        }
        let pool: Arc<dyn Pool> = Arc::new(open_pool(&directory));
        let other = DirectoryPool::open(&PoolConfig::new(OTHER, directory.path().join("other")));
        let other: Arc<dyn Pool> = Arc::new(other.expect("a pool"));
        let config =
            storage::Config { backup_file_size: 64 << 20, ..storage::Config::posix(directory.path().join("store")) };
        let store = storage::open(&config).expect("a store");
        let (finished, finishes) = mpsc::channel(16);
        let script = Script::new(finished);
        let (server, channel) = serve(&script);
        let broker = messaging::memory();
        let deps = Deps {
            broker: between(Arc::clone(&broker), &script),
            channel,
            store: wrap(Arc::clone(&store)),
            pools: vec![Arc::clone(&pool), Arc::clone(&other)],
        };
        let config = Config {
            host: "h1".to_owned(),
            spool_dir: directory.path().join("spool"),
            drain_timeout_secs: 1,
            layout: Layout::from(&config),
            ..Config::default()
        };
        let shutdown = CancellationToken::new();
        let run = backup_worker::run(deps, config, backup_worker::Contact::default(), shutdown.clone());
        let worker = AbortOnDropHandle::new(stdx::task::spawn("worker", run));
        let rig = Self { script, pool, other, store, directory, shutdown, worker, broker, finishes, _server: server };
        rig.until("registered", |script| !script.registered.lock().expect("a lock").is_empty()).await;
        rig
    }

    /// Waits for something that the scheduler sees.
    pub(crate) async fn until(&self, what: &str, mut reached: impl FnMut(&Script) -> bool) {
        let wait = async {
            while !reached(&self.script) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        waited.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    /// Hands a job to the worker.
    pub(crate) async fn give(&self, id: JobId, generation: i64, attempt: i64, work: Work) {
        let request_id = String::new();
        let job = wire::Job { id: id.to_string(), generation, attempt, request_id, work: Some(work) };
        self.script.jobs.lock().expect("a lock").insert((id.to_string(), generation), job);
        self.hint(id, generation).await;
    }

    pub(crate) async fn hint(&self, id: JobId, generation: i64) {
        let body = format!(r#"{{"job_id": "{id}", "generation": {generation}}}"#);
        let message_id = format!("{id}.{generation}");
        let envelope = Envelope { message_id, body: Bytes::from(body), traceparent: None };
        let worker_id = self.script.registered.lock().expect("a lock")[0].worker_id.clone();
        // To a queue that nobody declared nothing can be published: a worker that is known has one.
        self.broker.publish(&topology::worker_queue(&worker_id), envelope).await.expect("published");
    }

    pub(crate) async fn finish(&mut self) -> FinishRequest {
        let finish = tokio::time::timeout(DEADLINE, self.finishes.recv()).await.expect("a report in time");
        finish.expect("a report")
    }

    /// Does the job and answers what its worker said of it.
    pub(crate) async fn perform(&mut self, work: Work) -> Outcome {
        self.give(JobId::random(), 2, 1, work).await;
        self.finish().await.outcome.expect("an outcome")
    }

    /// Does the job twice, as a second worker would after the first was lost: each time it must succeed.
    pub(crate) async fn perform_twice(&mut self, work: Work) -> [Done; 2] {
        let id = JobId::random();
        let mut results = Vec::new();
        for attempt in [1, 2] {
            self.give(id, attempt * 2, attempt, work.clone()).await;
            results.push(done(self.finish().await.outcome.expect("an outcome")));
        }
        results.try_into().expect("two results")
    }

    /// Nothing was reported so far.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.finishes.try_recv().is_err()
    }

    pub(crate) async fn object_names(&self, container: &str) -> Vec<String> {
        let page = self.store.list(container, "", None).await.expect("listed");
        page.entries.into_iter().map(|entry| entry.name).collect()
    }
}

fn open_pool(directory: &tempfile::TempDir) -> DirectoryPool {
    let path = |part: &str| directory.path().join(part);
    let config = PoolConfig { manage_paths: vec![path("images")], ..PoolConfig::new(POOL, path("pool")) };
    DirectoryPool::open(&config).expect("a pool")
}

fn serve(script: &Arc<Script>) -> (AbortOnDropHandle<()>, tonic::transport::Channel) {
    let (connections, incoming) = mpsc::channel(4);
    let service = WorkersServer::new(Scripted(Arc::clone(script)));
    let server = stdx::task::spawn("scripted scheduler", async move {
        let served = Server::builder().add_service(service).serve_with_incoming(ReceiverStream::new(incoming)).await;
        served.expect("served");
    });
    let connector = tower::service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (near, far) = duplex(PIPE_BYTES);
            connections.send(Ok::<_, std::io::Error>(far)).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(near))
        }
    });
    let channel = Endpoint::from_static("http://scheduler.test").connect_with_connector_lazy(connector);
    (AbortOnDropHandle::new(server), channel)
}

pub(crate) fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Failure(failure) => panic!("failed: {failure:?}"),
    }
}

pub(crate) fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Done(done) => panic!("succeeded: {done:?}"),
    }
}

pub(crate) fn volume(id: VolumeId, size_gb: i64) -> wire::Volume {
    wire::Volume { id: id.to_string(), pool: POOL.to_owned(), size_gb }
}

/// A backup of the volume that no worker has begun.
pub(crate) fn backup(id: BackupId, volume: VolumeId) -> wire::Backup {
    wire::Backup {
        id: id.to_string(),
        volume_id: volume.to_string(),
        size_gb: 1,
        name: Some("nightly".to_owned()),
        created_at_micros: 1_795_271_376_485_793,
        ..wire::Backup::default()
    }
}

/// The same backup as its row says after a worker stored it.
pub(crate) fn stored(rig: &Rig, backup: &wire::Backup) -> wire::Backup {
    let place = rig.script.place.lock().expect("a lock").clone().expect("a place");
    let service = Some(rig.store.service().to_owned());
    wire::Backup { container: Some(place.container), prefix: Some(place.prefix), service, ..backup.clone() }
}

pub(crate) fn create_backup(backup: wire::Backup, volume: wire::Volume, freeze: bool) -> Work {
    Work::CreateBackup(wire::CreateBackup {
        backup: Some(backup),
        volume: Some(volume),
        freeze,
        ..wire::CreateBackup::default()
    })
}
