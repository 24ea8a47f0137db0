//! A scheduler with everything around it, and workers that do what the test tells them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use db::outbox::Hint;
use db::{Conn, Database, Scope};
use domain::backup::Backup;
use domain::ids::WorkerId;
use domain::job::{Job, JobState, Subject};
use domain::snapshot::Snapshot;
use domain::volume::Volume;
use domain::{BackupId, JobId, Kind, SnapshotId, Timestamp, VolumeId};
use futures::FutureExt;
use hyper_util::rt::TokioIo;
use messaging::{Broker, Consumer, topology};
use proto::worker::claim_response::Answer;
use proto::worker::finish_request::Outcome;
use proto::worker::worker_event::Event;
use proto::worker::workers_client::WorkersClient;
use proto::worker::{
    ClaimRequest, Done, Failure, FinishRequest, Heartbeat, Pool, RegisterRequest, RunningJob, SchedulerCommand,
    WorkerEvent, scheduler_command::Command,
};
use scheduler::{Config, Deps, Scheduler};
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

const DEADLINE: Duration = Duration::from_secs(20);
const PIPE_BYTES: usize = 64 * 1024;

pub(crate) struct Rig {
    pub(crate) database: Database,
    pub(crate) broker: Arc<dyn Broker>,
    channel: Channel,
    nudge: outbox::Nudge,
    _shutdown: DropGuard,
}

/// A database with nothing in it.
pub(crate) struct Ground {
    pub(crate) database: Database,
}

/// Runs a case on a file of its own.
pub(crate) async fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Ground) -> F) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("test.db");
    case(Ground::open(format!("sqlite://{}", path.display())).await).await;
}

/// Runs a case on a PostgreSQL database of its own, which is dropped whatever happens.
pub(crate) async fn on_postgres<F: Future<Output = ()>>(case: impl FnOnce(Ground) -> F) {
    let maintenance = std::env::var("EMBERKEEP_TEST_POSTGRES_URL").expect(
        "EMBERKEEP_TEST_POSTGRES_URL must name a maintenance database: postgresql://postgres@127.0.0.1/postgres",
    );
    let name = format!("emberkeep_test_{}", JobId::random().uuid().simple());
    let (server, _) = maintenance.rsplit_once('/').expect("the address ends in /database");
    let config = db::Config { connection: maintenance.clone(), max_pool_size: 1 };
    let administrator = Database::connect(&config).await.expect("a server");
    administer(&administrator, format!("CREATE DATABASE {name}")).await;
    let ground = Ground::open(format!("{server}/{name}")).await;
    let database = ground.database.clone();
    let outcome = AssertUnwindSafe(case(ground)).catch_unwind().await;
    database.close().await;
    administer(&administrator, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn administer(administrator: &Database, statement: String) {
    let mut conn = administrator.read().await.expect("a connection");
    db::sql(statement).execute(&mut conn).await.expect("administer");
}

impl Ground {
    async fn open(connection: String) -> Self {
        let config = db::Config { connection, ..db::Config::default() };
        let database = Database::connect(&config).await.expect("a database");
        database.migrate().await.expect("migrated");
        Self { database }
    }

    pub(crate) fn start(self) -> Rig {
        self.start_with(Config::default())
    }

    /// With these settings, but for those that make it fast.
    pub(crate) fn start_with(self, config: Config) -> Rig {
        let shutdown = CancellationToken::new();
        let broker = messaging::memory();
        let nudge = outbox::Relay::spawn(self.database.clone(), Arc::clone(&broker), shutdown.clone());
        let deps = Deps { database: self.database.clone(), broker: Arc::clone(&broker), nudge: nudge.clone() };
        let config =
            Config { lease_ttl_secs: 2, heartbeat_interval_secs: 1, claim_timeout_secs: 1, tick_ms: 50, ..config };
        let scheduler = Scheduler::start(deps, config, shutdown.clone());
        let (connections, incoming) = mpsc::channel(4);
        let served = shutdown.clone();
        stdx::task::spawn("grpc", async move { scheduler.serve_grpc(ReceiverStream::new(incoming), served).await });
        let connector = tower::service_fn(move |_| {
            let connections = connections.clone();
            async move {
                let (near, far) = duplex(PIPE_BYTES);
                connections.send(Ok::<_, std::io::Error>(far)).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        let channel = Endpoint::from_static("http://scheduler.test").connect_with_connector_lazy(connector);
        Rig { database: self.database, broker, channel, nudge, _shutdown: shutdown.drop_guard() }
    }
}

impl Rig {
    /// Queues a job as the api does.
    pub(crate) async fn enqueue(&self, subject: Subject) -> JobId {
        self.enqueue_for(crate::rows::PROJECT, subject).await
    }

    pub(crate) async fn enqueue_for(&self, project: &str, subject: Subject) -> JobId {
        let mut tx = self.database.begin("test job").await.expect("a transaction");
        let id = crate::rows::enqueue(&mut tx, project, subject, Timestamp::now()).await;
        tx.commit().await.expect("committed");
        self.nudge.wake();
        id
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        db::jobs::get(&mut self.read().await, id).await.expect("read").expect("a job")
    }

    pub(crate) async fn volume(&self, id: VolumeId) -> Volume {
        db::volumes::get(&mut self.read().await, &Scope::All, &id.to_string()).await.expect("a volume")
    }

    pub(crate) async fn snapshot(&self, id: SnapshotId) -> Snapshot {
        db::snapshots::get(&mut self.read().await, &Scope::All, &id.to_string()).await.expect("a snapshot")
    }

    pub(crate) async fn backup(&self, id: BackupId) -> Backup {
        db::backups::get(&mut self.read().await, &Scope::All, &id.to_string()).await.expect("a backup")
    }

    /// The events that the users were told of, the newest first.
    pub(crate) async fn told(&self) -> Vec<String> {
        let query = db::ListQuery {
            scope: Scope::All,
            filters: Vec::new(),
            sort: Vec::new(),
            marker: None,
            limit: 100,
            offset: 0,
        };
        let messages = db::messages::list(&mut self.read().await, &query).await.expect("read");
        messages.into_iter().map(|message| message.event_id).collect()
    }

    pub(crate) async fn volume_is_gone(&self, id: VolumeId) -> bool {
        let row = db::volumes::get(&mut self.read().await, &Scope::All, &id.to_string()).await;
        row.is_err_and(|error| error.kind() == Kind::NotFound)
    }

    pub(crate) async fn backup_is_gone(&self, id: BackupId) -> bool {
        let row = db::backups::get(&mut self.read().await, &Scope::All, &id.to_string()).await;
        row.is_err_and(|error| error.kind() == Kind::NotFound)
    }

    pub(crate) async fn read(&self) -> Conn {
        self.database.read().await.expect("a connection")
    }

    pub(crate) async fn wait_for_state(&self, id: JobId, state: JobState) -> Job {
        let reached = async {
            loop {
                let job = self.job(id).await;
                if job.state == state {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        waited.unwrap_or_else(|_| panic!("job {id} never became {state}"))
    }

    pub(crate) async fn worker(&self) -> ScriptedWorker {
        self.worker_in(crate::rows::POOL).await
    }

    /// A worker that reaches this pool only.
    pub(crate) async fn worker_in(&self, pool: &'static str) -> ScriptedWorker {
        self.worker_with(vec![pool]).await
    }

    pub(crate) async fn worker_with(&self, pools: Vec<&'static str>) -> ScriptedWorker {
        let id = WorkerId::random();
        let consumer = self.broker.consume(&topology::worker_queue(&id.to_string()), 4).await.expect("a consumer");
        let mut client = WorkersClient::new(self.channel.clone());
        let answer = client.register(registration(id, &pools)).await.expect("registered").into_inner();
        assert_eq!((answer.lease_ttl_secs, answer.heartbeat_interval_secs), (2, 1));
        ScriptedWorker { id, client, consumer, pools }
    }
}

fn registration(id: WorkerId, names: &[&str]) -> RegisterRequest {
    RegisterRequest {
        worker_id: id.to_string(),
        host: "h1".to_owned(),
        availability_zone: "nova".to_owned(),
        backup_driver: "cinder.backup.drivers.posix.PosixBackupDriver".to_owned(),
        slots: 4,
        pools: names.iter().map(|name| pool(name)).collect(),
        protocol_version: proto::PROTOCOL_VERSION,
    }
}

fn pool(name: &str) -> Pool {
    Pool { name: name.to_owned(), free_bytes: 1 << 40, total_bytes: 1 << 40, ..Pool::default() }
}

/// Speaks the protocol; has neither pools nor a store.
pub(crate) struct ScriptedWorker {
    pub(crate) id: WorkerId,
    pub(crate) client: WorkersClient<Channel>,
    consumer: Box<dyn Consumer>,
    pools: Vec<&'static str>,
}

/// A session whose events the test sends.
pub(crate) struct ScriptedSession {
    pub(crate) events: mpsc::Sender<WorkerEvent>,
    commands: Streaming<SchedulerCommand>,
}

impl ScriptedWorker {
    pub(crate) async fn hint(&mut self) -> Hint {
        let delivery = tokio::time::timeout(DEADLINE, self.consumer.next()).await.expect("a hint in time");
        let delivery = delivery.expect("a hint");
        let hint = serde_json::from_slice(&delivery.envelope.body).expect("a hint");
        delivery.ack().await.expect("acknowledged");
        hint
    }

    /// `None`: stale.
    pub(crate) async fn claim(&mut self, hint: &Hint) -> Option<proto::worker::Job> {
        let request =
            ClaimRequest { worker_id: self.id.to_string(), job_id: hint.job_id.clone(), generation: hint.generation };
        match self.client.claim(request).await.expect("an answer").into_inner().answer.expect("an answer") {
            Answer::Job(job) => Some(job),
            Answer::Stale(_) => None,
        }
    }

    /// The next job that is assigned to this worker, claimed.
    pub(crate) async fn take(&mut self) -> proto::worker::Job {
        let hint = self.hint().await;
        self.claim(&hint).await.expect("the job stands")
    }

    pub(crate) async fn finish(&mut self, job: &proto::worker::Job, outcome: Outcome) -> bool {
        let request = FinishRequest {
            worker_id: self.id.to_string(),
            job_id: job.id.clone(),
            generation: job.generation,
            outcome: Some(outcome),
        };
        self.client.finish(request).await.expect("an answer").into_inner().accepted
    }

    pub(crate) async fn done(&mut self, job: &proto::worker::Job) -> bool {
        self.finish(job, Outcome::Done(Done::default())).await
    }

    pub(crate) async fn fail(&mut self, job: &proto::worker::Job, kind: Kind, reason: &str) -> bool {
        self.finish(job, Outcome::Failure(failure(kind, reason))).await
    }

    pub(crate) fn heartbeat(&self, jobs: &[&proto::worker::Job]) -> WorkerEvent {
        self.heartbeat_at(jobs, 1)
    }

    /// So many of two bytes are done.
    pub(crate) fn heartbeat_at(&self, jobs: &[&proto::worker::Job], done_bytes: i64) -> WorkerEvent {
        let running = |job: &&proto::worker::Job| RunningJob {
            job_id: job.id.clone(),
            generation: job.generation,
            done_bytes,
            total_bytes: 2,
            bytes_per_second: 1,
        };
        let jobs = jobs.iter().map(running).collect();
        let worker_id = self.id.to_string();
        let heartbeat =
            Heartbeat { worker_id, draining: false, pools: self.pools.iter().map(|name| pool(name)).collect(), jobs };
        WorkerEvent { event: Some(Event::Heartbeat(heartbeat)) }
    }

    pub(crate) async fn session(&mut self) -> ScriptedSession {
        let (events, waiting) = mpsc::channel(16);
        let commands = self.client.session(ReceiverStream::new(waiting)).await.expect("a session").into_inner();
        ScriptedSession { events, commands }
    }
}

impl ScriptedSession {
    pub(crate) async fn send(&self, event: WorkerEvent) {
        self.events.send(event).await.expect("an open session");
    }

    pub(crate) async fn command(&mut self) -> Command {
        let message = tokio::time::timeout(DEADLINE, self.commands.message()).await.expect("a command in time");
        message.expect("an open session").expect("a command").command.expect("a command")
    }
}

pub(crate) fn failure(kind: Kind, reason: &str) -> Failure {
    Failure { kind: proto::kind_word(kind).to_owned(), reason: reason.to_owned(), handed_back: false }
}
