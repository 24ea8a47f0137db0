//! Who may speak with a scheduler, as whom, and what it hears.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use domain::ids::WorkerId;
use domain::job::Job;
use futures::StreamExt;
use proto::worker::claim_response::Answer;
use proto::worker::finish_request::Outcome;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::workers_client::WorkersClient;
use proto::worker::{
    BeginBackupRequest, ClaimRequest, Done, FinishRequest, Heartbeat, ListCheckpointsRequest, Pool, RegisterRequest,
    ReportStoredRequest, SchedulerCommand, WorkerEvent,
};
use serde_json::json;
use tempfile::TempDir;
use tests::client::{JOB_LIMIT, wait_until};
use tests::cluster::{Cluster, POOL};
use tonic::transport::Channel;
use tonic::{Code, Status};

type Answered<T> = Result<T, Status>;

/// Services with a scheduler that takes nobody without a certificate of `authority`.
struct Guarded {
    cluster: Cluster,
    port: u16,
    authority: TempDir,
}

impl Guarded {
    async fn start() -> Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let authority = tempfile::tempdir()?;
        emberkeep::dev_ca::make(authority.path(), &["h1".to_owned(), "h2".to_owned()])?;
        let cluster = Cluster::start().await?;
        let file = |name: &str| Some(authority.path().join(name));
        let config = scheduler::Config {
            listen: "127.0.0.1:0".to_owned(),
            tls_certificate: file("scheduler.pem"),
            tls_key: file("scheduler.key"),
            tls_client_ca: file("ca.pem"),
            ..scheduler::Config::default()
        };
        config.check()?;
        let port = cluster.listen(config).await?.port();
        Ok(Self { cluster, port, authority })
    }

    /// With the certificate of this host, as signed by the authority in `directory`.
    fn channel(&self, directory: &Path, host: Option<&str>) -> Result<Channel> {
        let file = |end: &str| host.map(|host| directory.join(format!("worker-{host}.{end}")));
        let config = backup_worker::Config {
            scheduler_url: format!("https://localhost:{}", self.port),
            scheduler_ca: Some(self.authority.path().join("ca.pem")),
            tls_certificate: file("pem"),
            tls_key: file("key"),
            ..backup_worker::Config::default()
        };
        Ok(backup_worker::channel(&config)?)
    }

    fn of_host(&self, host: &str) -> Result<Caller> {
        Ok(Caller(WorkersClient::new(self.channel(self.authority.path(), Some(host))?)))
    }

    async fn registered(&self, id: WorkerId) -> Result<String> {
        let mut conn = self.cluster.database.read().await?;
        Ok(db::workers::get(&mut conn, id).await?.context("the worker is registered")?.host)
    }
}

/// Says whatever a program could that has a certificate.
struct Caller(WorkersClient<Channel>);

impl Caller {
    async fn register(&mut self, id: WorkerId, host: &str) -> Answered<()> {
        let pool = Pool { name: POOL.to_owned(), free_bytes: 1 << 40, total_bytes: 1 << 40, ..Pool::default() };
        let request = RegisterRequest {
            worker_id: id.to_string(),
            host: host.to_owned(),
            availability_zone: "nova".to_owned(),
            backup_driver: "cinder.backup.drivers.posix.PosixBackupDriver".to_owned(),
            slots: 4,
            pools: vec![pool],
            protocol_version: proto::PROTOCOL_VERSION,
        };
        self.0.register(request).await.map(drop)
    }

    async fn claim(&mut self, id: WorkerId, job: &Job) -> Answered<Option<Answer>> {
        let request =
            ClaimRequest { worker_id: id.to_string(), job_id: job.id.to_string(), generation: job.generation };
        Ok(self.0.claim(request).await?.into_inner().answer)
    }

    /// Every other call about a job, as this worker.
    async fn report(&mut self, id: WorkerId, job: &Job) -> [Answered<String>; 3] {
        let (worker_id, job_id, generation) = (id.to_string(), job.id.to_string(), job.generation);
        let finish = FinishRequest {
            worker_id: worker_id.clone(),
            job_id: job_id.clone(),
            generation,
            outcome: Some(Outcome::Done(Done::default())),
        };
        let begin = BeginBackupRequest {
            worker_id: worker_id.clone(),
            job_id: job_id.clone(),
            generation,
            ..BeginBackupRequest::default()
        };
        let checkpoints = self.0.list_checkpoints(ListCheckpointsRequest { worker_id, job_id, generation }).await;
        [
            checkpoints.map(|answer| format!("{answer:?}")),
            self.0.begin_backup(begin).await.map(|answer| format!("{answer:?}")),
            self.0.finish(finish).await.map(|answer| format!("accepted: {}", answer.into_inner().accepted)),
        ]
    }

    async fn report_stored(&mut self, id: WorkerId, frozen: &[String]) -> Answered<Vec<String>> {
        let frozen_backup_ids = frozen.to_vec();
        let request = ReportStoredRequest {
            worker_id: id.to_string(),
            pool: POOL.to_owned(),
            frozen_backup_ids,
            ..ReportStoredRequest::default()
        };
        Ok(self.0.report_stored(request).await?.into_inner().thaw_backup_ids)
    }

    /// The first command that answers a heartbeat.
    async fn heartbeat(&mut self, id: WorkerId) -> Answered<Option<Command>> {
        let heartbeat = Heartbeat { worker_id: id.to_string(), ..Heartbeat::default() };
        let events = futures::stream::iter([WorkerEvent { event: Some(Event::Heartbeat(heartbeat)) }]);
        let mut commands = self.0.session(events.chain(futures::stream::pending())).await?.into_inner();
        Ok(commands.message().await?.and_then(|SchedulerCommand { command }| command))
    }
}

fn refused<T: std::fmt::Debug>(answer: Answered<T>) -> Result<()> {
    let status = answer.err().context("a refusal")?;
    ensure!(status.code() == Code::PermissionDenied, "{status:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_certificate_works_over_tls() -> Result<()> {
    let guarded = Guarded::start().await?;
    let _worker = guarded.cluster.worker_over(guarded.channel(guarded.authority.path(), Some("h1"))?);
    guarded.cluster.client()?.create_volume(1).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_without_a_certificate_of_the_authority() -> Result<()> {
    let guarded = Guarded::start().await?;
    let other = tempfile::tempdir()?;
    emberkeep::dev_ca::make(other.path(), &["h1".to_owned()])?;
    let plain = backup_worker::Config {
        scheduler_url: format!("http://localhost:{}", guarded.port),
        ..backup_worker::Config::default()
    };
    let channels = [
        backup_worker::channel(&plain)?,
        guarded.channel(guarded.authority.path(), None)?,
        guarded.channel(other.path(), Some("h1"))?,
    ];
    for channel in channels {
        let answer = Caller(WorkersClient::new(channel)).register(WorkerId::random(), "h1").await;
        let status = answer.err().context("no connection")?;
        ensure!(status.metadata().is_empty(), "the scheduler answered: {status:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_speaks_for_its_own_host_alone() -> Result<()> {
    let guarded = Guarded::start().await?;
    let (mut first, mut second) = (guarded.of_host("h1")?, guarded.of_host("h2")?);
    let (id, own) = (WorkerId::random(), WorkerId::random());
    first.register(id, "h1").await?;
    for host in ["h2", "", "h1@fast", "*"] {
        refused(first.register(WorkerId::random(), host).await).with_context(|| format!("as {host:?}"))?;
    }
    second.register(own, "h2").await?;
    refused(second.register(id, "h2").await).context("taking over another's id")?;
    ensure!(guarded.registered(id).await? == "h1");

    let asked = guarded.cluster.client()?.post("/volumes", &json!({"volume": {"size": 1}})).await?;
    let volume = asked["volume"]["id"].as_str().context("an id")?;
    let job = wait_until("the job is assigned", JOB_LIMIT, async || {
        let worker = |job: &Job| job.worker_id.is_some();
        let mut conn = guarded.cluster.database.read().await?;
        Ok(db::jobs::unfinished_about(&mut conn, volume).await?.filter(worker))
    })
    .await?;
    let (holder, stranger) = if job.worker_id == Some(id) { (id, own) } else { (own, id) };
    let theirs = if holder == id { &mut second } else { &mut first };

    // Under the holder's id it is refused, whatever it says.
    refused(theirs.claim(holder, &job).await)?;
    for answer in theirs.report(holder, &job).await {
        refused(answer)?;
    }
    refused(theirs.report_stored(holder, &[]).await)?;
    refused(theirs.heartbeat(holder).await)?;
    // Under its own it learns nothing of a job that is another's.
    ensure!(matches!(theirs.claim(stranger, &job).await?, Some(Answer::Stale(_))));
    let [checkpoints, begun, finished] = theirs.report(stranger, &job).await;
    for answer in [checkpoints, begun] {
        let status = answer.err().context("a refusal")?;
        ensure!(!status.message().contains(volume), "{status:?}");
    }
    ensure!(finished? == "accepted: false");
    // What it hears of others' rows is what it named itself.
    let named = [uuid::Uuid::new_v4().to_string()];
    ensure!(theirs.report_stored(stranger, &named).await? == named);
    ensure!(matches!(theirs.heartbeat(stranger).await?, Some(Command::HeartbeatAck(_))));
    ensure!(matches!(theirs.heartbeat(WorkerId::random()).await?, Some(Command::Unknown(_))));
    Ok(())
}
