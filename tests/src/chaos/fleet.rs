//! The six processes under chaos, with their configuration, and the links between them and their servers.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::Connection;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::link::Link;
use super::plan::{LINKS, Peer, SERVICES};
use super::store_fault::StoreProxy;
use crate::servers::{fresh_database, variable};

/// Of SIGTERM, signal 15, in the masks of proc_pid_status(5).
const SIGTERM_BIT: u64 = 1 << 14;
/// What a service may take to end at SIGTERM: 30 seconds to hand its jobs over, and what a busy machine adds.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Bytes of volume per object: 64 objects per GiB.
const OBJECT_BYTES: u64 = 16 << 20;
/// Below the range from which the kernel takes ports for outgoing connections: a service that is away finds its own free.
const PORTS: std::ops::Range<u16> = 12_000..20_000;

/// Everything that runs. The processes are killed when this is dropped.
#[derive(Debug)]
pub(super) struct Fleet {
    // First the processes end, then their files go.
    services: Vec<Mutex<Service>>,
    /// Held by the one who disturbs RabbitMQ: while it is away it takes no other command.
    pub(super) broker: Mutex<()>,
    pub(super) links: Vec<Link>,
    pub(super) stores: Vec<StoreProxy>,
    pub(super) places: Places,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) folder: TempDir,
    pub(super) database_url: String,
    pub(super) container: String,
    pub(super) api_ports: [u16; 2],
    scheduler_ports: [u16; 2],
}

impl Fleet {
    pub(super) async fn start() -> Result<Self> {
        let places = Places::new().await?;
        let store_port = port_of(&variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"))?;
        let stores = vec![StoreProxy::start(store_port).await?, StoreProxy::start(store_port).await?];
        let mut links = Vec::new();
        for (service, peer) in LINKS {
            links.push(Link::start(places.targets(service, peer, &stores)?).await?);
        }
        let mut fleet = Self { services: Vec::new(), broker: Mutex::default(), links, stores, places };
        for name in SERVICES {
            let file = fleet.places.folder.path().join(format!("{name}.toml"));
            fs::write(&file, fleet.configuration(name)?)?;
            let log = fleet.places.log_folder().join(format!("{name}.log"));
            let mut service = Service { name, file, log, child: None };
            service.launch()?;
            fleet.services.push(Mutex::new(service));
        }
        Ok(fleet)
    }

    pub(super) fn service(&self, index: usize) -> &Mutex<Service> {
        &self.services[index]
    }

    fn configuration(&self, name: &str) -> Result<String> {
        let url = |peer: Peer, server: &str| -> Result<String> {
            let index = LINKS.iter().position(|link| *link == (name, peer)).context("no such link")?;
            let mut url = url::Url::parse(server)?;
            ensure!(url.set_port(Some(self.links[index].port())).is_ok(), "{url} has no port");
            Ok(url.to_string())
        };
        let broker = url(Peer::Broker, &variable("EMBERKEEP_TEST_AMQP_URL"))?;
        let shared = format!("[messaging]\ntransport_url = '{broker}'\n[telemetry]\nlog_filter = 'info'\n");
        if name.starts_with("worker") {
            let scheduler = url(Peer::Schedulers, "http://127.0.0.1:1")?;
            let store = url(Peer::Store, &variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"))?;
            return Ok(self.places.worker(name, &scheduler, &store) + &shared);
        }
        let database = url(Peer::Database, &self.places.database_url)?;
        let own = if name.starts_with("api") { self.places.api(name) } else { self.places.scheduler(name) };
        Ok(format!("{own}[database]\nconnection = '{database}'\nmax_pool_size = 8\n{shared}"))
    }
}

impl Places {
    async fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("emberkeep-chaos-").disable_cleanup(true).tempdir()?;
        fs::create_dir(folder.path().join("log"))?;
        let database_url = durable_database().await?;
        let [first, second, third, fourth] = free_ports()?;
        let container = format!("chaos-{}", uuid::Uuid::new_v4().simple());
        let (api_ports, scheduler_ports) = ([first, second], [third, fourth]);
        Ok(Self { folder, database_url, container, api_ports, scheduler_ports })
    }

    pub(super) fn log_folder(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(super) fn pool(&self) -> PathBuf {
        self.folder.path().join("pool")
    }

    pub(super) fn volume(&self, id: &str) -> PathBuf {
        self.pool().join(format!("volume-{id}"))
    }

    /// What a link leads to.
    fn targets(&self, service: &str, peer: Peer, stores: &[StoreProxy]) -> Result<Vec<u16>> {
        Ok(match peer {
            Peer::Database => vec![port_of(&self.database_url)?],
            Peer::Broker => vec![port_of(&variable("EMBERKEEP_TEST_AMQP_URL"))?],
            Peer::Schedulers => self.scheduler_ports.to_vec(),
            Peer::Store => vec![stores[usize::from(service.ends_with('2'))].port()],
        })
    }

    fn api(&self, name: &str) -> String {
        let port = self.api_ports[usize::from(name.ends_with('2'))];
        let quota = ["volumes", "gigabytes", "snapshots", "backups", "backup_gigabytes"];
        let quota: String = quota.iter().map(|resource| format!("quota_{resource} = -1\n")).collect();
        format!("[api]\nlisten = '127.0.0.1:{port}'\nrequest_timeout_secs = 20\n[quota]\n{quota}")
    }

    fn scheduler(&self, name: &str) -> String {
        let port = self.scheduler_ports[usize::from(name.ends_with('2'))];
        format!(
            "[scheduler]\nlisten = '127.0.0.1:{port}'\nhost = '{name}'\nlease_ttl_secs = 6\nheartbeat_interval_secs = 1\n\
             late_write_secs = 40\n             claim_timeout_secs = 4\ntick_ms = 200\n"
        )
    }

    fn worker(&self, name: &str, scheduler: &str, store: &str) -> String {
        let folder = self.folder.path().display();
        let container = &self.container;
        format!(
            "[worker]\nscheduler_url = '{scheduler}'\nhost = '{name}'\nspool_dir = '{folder}/spool-{name}'\n\
             backup_max_operations = 3\n\
             [[pools]]\nname = 'pool'\npath = '{folder}/pool'\n\
             [engine]\ntransfers = 2\n\
             [store]\nbackup_driver = 'cinder.backup.drivers.swift.SwiftBackupDriver'\n\
             backup_swift_auth = 'single_user'\nbackup_swift_auth_version = '1'\nbackup_swift_auth_url = '{store}'\n\
             backup_swift_user = 'test:tester'\nbackup_swift_key = 'testing'\n\
             backup_swift_object_size = {OBJECT_BYTES}\nbackup_swift_container = '{container}'\n"
        )
    }
}

/// One of the processes, or its place while it is away.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    file: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Service {
    /// Starts it, if it does not run.
    pub(super) fn launch(&mut self) -> Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let program = self.name.trim_end_matches(['-', '1', '2']);
        let program = if program == "worker" { "backup-worker" } else { program };
        let program = Path::new(&variable("EMBERKEEP_TEST_BIN_DIR")).join(format!("emberkeep-{program}"));
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(&self.file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // The variables for us would be taken for configuration.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("EMBERKEEP_")) {
            command.env_remove(name);
        }
        self.child = Some(command.spawn().with_context(|| format!("start {}", program.display()))?);
        Ok(())
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return Ok(()) };
        kill_process(pid, signal).with_context(|| format!("send {signal:?} to {}", self.name))
    }

    /// SIGKILL; returns when it is gone.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map(drop).with_context(|| format!("kill {}", self.name))
    }

    /// SIGTERM. An error when it does not end with status 0 in time; it is gone in any case.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let deadline = Instant::now() + STOP_LIMIT;
        // A process that was started just now is ended by the signal itself, and with that status, as any program is.
        while let Some(child) = &mut self.child
            && child.try_wait()?.is_none()
            && !listens_to_sigterm(child.id())
            && Instant::now() < deadline
        {
            tokio::time::sleep(POLL).await;
        }
        self.signal(Signal::TERM)?;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "{} ended with {status} at SIGTERM", self.name);
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        child.kill().and_then(|()| child.wait())?;
        bail!("{} did not end within {} s of SIGTERM", self.name, STOP_LIMIT.as_secs())
    }

    /// An error when it has ended by itself. Starts it again in that case, as its supervisor would.
    pub(super) fn check(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let Some(status) = child.try_wait()? else { return Ok(()) };
        self.child = None;
        self.launch()?;
        bail!("{} ended by itself with {status}", self.name)
    }
}

/// As the kernel tells.
fn listens_to_sigterm(id: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) else { return true };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & SIGTERM_BIT != 0)
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone = self.kill();
    }
}

/// A database whose commits outlive a crash of the server: the tests' server waits for no disk unless told to.
async fn durable_database() -> Result<String> {
    let url = fresh_database(&variable("EMBERKEEP_TEST_POSTGRES_URL")).await?;
    let name = url::Url::parse(&url)?.path().trim_start_matches('/').to_owned();
    let mut connection = sqlx::PgConnection::connect(&url).await?;
    let statement = sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} SET synchronous_commit = on"));
    sqlx::query(statement).execute(&mut connection).await.context("make commits durable")?;
    Ok(url)
}

fn port_of(url: &str) -> Result<u16> {
    url::Url::parse(url).ok().and_then(|url| url.port()).with_context(|| format!("{url} names no port"))
}

fn free_ports() -> Result<[u16; 4]> {
    let mut random = rand::rng();
    let tries = std::iter::repeat_with(move || random.random_range(PORTS)).take(1000);
    let bound = tries.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let listening: Vec<TcpListener> = bound.take(4).collect();
    let ports: Vec<u16> = listening.iter().flat_map(TcpListener::local_addr).map(|address| address.port()).collect();
    ports.try_into().ok().context("too few free ports")
}
