//! Emberkeep's three services as processes of their own, on the real RabbitMQ, PostgreSQL and Swift.
//!
//! Every [`Services`] has a database and folders of its own. The broker's queues are shared with other tests, which is why
//! such tests run one at a time (.config/nextest.toml); hints that another test left behind name unknown jobs and are forgotten.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::Timestamp;
use domain::job::{Job, JobState};
use sqlx::Connection;
use tempfile::TempDir;

use crate::client::{Client, wait_until};

/// What a service may take from start to readiness.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The project of the tests; a `noauth` project id is hexadecimal.
pub const PROJECT_ID: &str = "0123456789abcdef0123456789abcdef";

/// The value of a variable that `cargo xtask test` sets.
///
/// # Panics
/// When it is missing: a test that cannot run must not look as if it had passed.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, or `cargo xtask servers`"))
}

/// How the services are configured where tests differ.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker processes at the start.
    pub workers: usize,
    pub compression: &'static str,
    /// Objects in flight per job.
    pub transfers: usize,
    /// Bytes of volume per object.
    pub object_size_bytes: u64,
    /// After so long a silent worker has lost its job.
    pub lease_ttl_secs: u32,
    /// The section `[messaging]`, in place of the tests' broker.
    pub messaging: Option<String>,
    /// What stands behind the `?` of the database's URL.
    pub database_query: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            compression: "zstd",
            transfers: 4,
            object_size_bytes: 52_428_800,
            lease_ttl_secs: 15,
            messaging: None,
            database_query: String::new(),
        }
    }
}

/// Running services. They are killed when this is dropped.
#[derive(Debug)]
pub struct Services {
    // First the processes end, then their files go.
    api: Service,
    scheduler: Service,
    workers: Vec<Service>,
    started_workers: usize,
    options: Options,
    places: Places,
    database: db::Database,
}

impl Services {
    /// Starts them and waits until the api answers and every worker is known.
    pub async fn start(options: Options) -> Result<Self> {
        let places = Places::new().await?;
        let scheduler = places.start("scheduler", "scheduler", &places.scheduler_file(&options))?;
        let api = places.start("api", "api", &places.api_file(&options))?;
        let config = db::Config { connection: places.database_url.clone(), max_pool_size: 2 };
        let database = db::Database::connect(&config).await.context("connect to the services' database")?;
        let mut services = Self { api, scheduler, workers: Vec::new(), started_workers: 0, options, places, database };
        services.wait_for_api().await?;
        for _ in 0..services.options.workers {
            services.launch_worker()?;
        }
        services.wait_for_workers().await?;
        Ok(services)
    }

    /// Where clients find the api: `http://127.0.0.1:<port>/v3`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.places.api_port)
    }

    pub fn client(&self) -> Result<Client> {
        Client::new(&self.endpoint(), PROJECT_ID)
    }

    /// The file of a volume in the pool.
    #[must_use]
    pub fn volume_path(&self, volume_id: &str) -> PathBuf {
        self.places.folder.path().join("pool").join(format!("volume-{volume_id}"))
    }

    /// The unfinished job about a volume, snapshot or backup.
    pub async fn job_about(&self, resource_id: &str) -> Result<Option<Job>> {
        let mut conn = self.database.read().await?;
        Ok(db::jobs::unfinished_about(&mut conn, resource_id).await?)
    }

    /// A job, finished or not.
    pub async fn job(&self, id: domain::JobId) -> Result<Option<Job>> {
        let mut conn = self.database.read().await?;
        Ok(db::jobs::get(&mut conn, id).await?)
    }

    /// How many objects the job is known to have stored.
    pub async fn checkpoints(&self, job: &Job) -> Result<usize> {
        let mut conn = self.database.read().await?;
        Ok(db::checkpoints::list(&mut conn, job.id, None, i64::from(u16::MAX)).await?.len())
    }

    /// Kills the worker that runs the job: SIGKILL, so it can clean up nothing. An error when none of ours runs it.
    pub async fn kill_worker_of(&mut self, job: &Job) -> Result<()> {
        let (JobState::Running, Some(worker_id)) = (job.state, job.worker_id) else {
            bail!("job {} is {:?} and runs nowhere", job.id, job.state);
        };
        let mut conn = self.database.read().await?;
        let worker = db::workers::get(&mut conn, worker_id).await?.context("the job's worker is not registered")?;
        let index = self.workers.iter().position(|service| service.name == worker.host);
        let mut victim = self.workers.remove(index.with_context(|| format!("no process is worker {}", worker.host))?);
        victim.kill()
    }

    /// Starts one more worker and waits until the scheduler knows it.
    pub async fn add_worker(&mut self) -> Result<()> {
        self.launch_worker()?;
        self.wait_for_workers().await
    }

    /// Kills the scheduler and starts it again at the same address.
    pub async fn restart_scheduler(&mut self) -> Result<()> {
        self.scheduler.kill()?;
        self.scheduler = self.places.start("scheduler", "scheduler", &self.places.scheduler_file(&self.options))?;
        Ok(())
    }

    /// Kills the api and starts it again at the same address.
    pub async fn restart_api(&mut self) -> Result<()> {
        self.api.kill()?;
        self.api = self.places.start("api", "api", &self.places.api_file(&self.options))?;
        self.wait_for_api().await
    }

    /// What all processes logged, for the report of a failure.
    #[must_use]
    pub fn logs(&self) -> String {
        let entries = fs::read_dir(self.places.folder.path().join("log")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let show = |path: &PathBuf| format!("== {}\n{}", path.display(), fs::read_to_string(path).unwrap_or_default());
        paths.iter().map(show).collect()
    }

    fn launch_worker(&mut self) -> Result<()> {
        self.started_workers += 1;
        let name = format!("worker-{}", self.started_workers);
        let file = self.places.worker_file(&name, &self.options);
        self.workers.push(self.places.start(&name, "backup-worker", &file)?);
        Ok(())
    }

    async fn wait_for_api(&mut self) -> Result<()> {
        let client = self.client()?;
        let api = &mut self.api;
        wait_until("the api answers", START_LIMIT, async || {
            api.check()?;
            Ok(client.get("/volumes").await.ok())
        })
        .await
        .map(drop)
    }

    /// Until the database lists every process of ours; a killed one may still be listed, under its own name.
    async fn wait_for_workers(&mut self) -> Result<()> {
        let (workers, database) = (&mut self.workers, &self.database);
        wait_until("all workers are registered", START_LIMIT, async || {
            workers.iter_mut().try_for_each(Service::check)?;
            let since = Timestamp::from_micros(0);
            let known = db::workers::list(&mut database.read().await?, since).await?;
            let all = workers.iter().all(|service| known.iter().any(|worker| worker.host == service.name));
            Ok(all.then_some(()))
        })
        .await
    }
}

/// Folders, ports and configuration files.
#[derive(Debug)]
struct Places {
    folder: TempDir,
    database_url: String,
    api_port: u16,
    scheduler_port: u16,
}

impl Places {
    async fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("emberkeep-services-").tempdir()?;
        fs::create_dir(folder.path().join("log"))?;
        let database_url = fresh_database(&variable("EMBERKEEP_TEST_POSTGRES_URL")).await?;
        // Both are held until both are known, so that they differ.
        let (api, scheduler) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (api_port, scheduler_port) = (api.local_addr()?.port(), scheduler.local_addr()?.port());
        Ok(Self { folder, database_url, api_port, scheduler_port })
    }

    /// Starts `emberkeep-<program>` with this configuration; its output goes to its log.
    fn start(&self, name: &str, program: &str, configuration: &str) -> Result<Service> {
        let file = self.folder.path().join(format!("{name}.toml"));
        fs::write(&file, configuration)?;
        let log_path = self.folder.path().join("log").join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&log_path)?;
        let program = Path::new(&variable("EMBERKEEP_TEST_BIN_DIR")).join(format!("emberkeep-{program}"));
        let mut command = Command::new(&program);
        command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // The tests' own variables would be taken for configuration.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("EMBERKEEP_") {
                command.env_remove(variable);
            }
        }
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        Ok(Service { name: name.to_owned(), child, log_path })
    }

    fn api_file(&self, options: &Options) -> String {
        format!(
            "[api]\nlisten = '127.0.0.1:{}'\n[quota]\nquota_backups = -1\nquota_volumes = -1\n{}",
            self.api_port,
            self.shared(options, true)
        )
    }

    fn scheduler_file(&self, options: &Options) -> String {
        format!(
            "[scheduler]\nlisten = '127.0.0.1:{}'\nlease_ttl_secs = {}\nheartbeat_interval_secs = 1\n\
             claim_timeout_secs = 3\ntick_ms = 200\n{}",
            self.scheduler_port,
            options.lease_ttl_secs,
            self.shared(options, true)
        )
    }

    fn worker_file(&self, name: &str, options: &Options) -> String {
        let folder = self.folder.path().display();
        format!(
            "[worker]\nscheduler_url = 'http://127.0.0.1:{port}'\nhost = '{name}'\nspool_dir = '{folder}/spool-{name}'\n\
             [[pools]]\nname = 'pool'\npath = '{folder}/pool'\n\
             [engine]\nbackup_compression_algorithm = '{compression}'\ntransfers = {transfers}\n\
             [store]\nbackup_driver = 'cinder.backup.drivers.swift.SwiftBackupDriver'\n\
             backup_swift_auth = 'single_user'\nbackup_swift_auth_version = '1'\n\
             backup_swift_auth_url = '{swift}'\nbackup_swift_user = 'test:tester'\nbackup_swift_key = 'testing'\n\
             backup_swift_object_size = {object_size_bytes}\n{shared}",
            port = self.scheduler_port,
            compression = options.compression,
            transfers = options.transfers,
            object_size_bytes = options.object_size_bytes,
            swift = variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"),
            shared = self.shared(options, false),
        )
    }

    /// The sections that services have in common; a worker has no database.
    fn shared(&self, options: &Options, with_database: bool) -> String {
        let (url, query) = (&self.database_url, &options.database_query);
        let url =
            if query.is_empty() { url.clone() } else { format!("{}?{query}", url.replace("127.0.0.1", "localhost")) };
        let database = format!("[database]\nconnection = '{url}'\nmax_pool_size = 5\n");
        let plain = || format!("transport_url = '{}'\n", variable("EMBERKEEP_TEST_AMQP_URL"));
        format!(
            "{}[messaging]\n{}[telemetry]\nlog_filter = 'info'\n",
            if with_database { database.as_str() } else { "" },
            options.messaging.clone().unwrap_or_else(plain),
        )
    }
}

/// One process.
#[derive(Debug)]
struct Service {
    name: String,
    child: Child,
    log_path: PathBuf,
}

impl Service {
    /// An error when the process has ended by itself.
    fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(&self.log_path).unwrap_or_default();
                bail!("{} ended ({status}):\n{log}", self.name)
            }
        }
    }

    /// SIGKILL; returns when the process is gone.
    fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("kill {}", self.name))?;
        self.child.wait().map(drop).with_context(|| format!("wait for the end of {}", self.name))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone = self.kill();
    }
}

/// Makes a database beside the one that `server` names; answers its URL.
pub async fn fresh_database(server: &str) -> Result<String> {
    let name = format!("services_{}", uuid::Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(server).await.context("connect to PostgreSQL")?;
    let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(statement).execute(&mut connection).await.with_context(|| format!("create database {name}"))?;
    let mut url = url::Url::parse(server).context("EMBERKEEP_TEST_POSTGRES_URL")?;
    url.set_path(&name);
    Ok(url.to_string())
}
