//! The three services as an operator would run them: api, scheduler and two workers that reach two backends, on the real
//! servers and in their catalogue.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use serde_json::json;

use super::network::Stub;
use crate::process::{self, Group};
use crate::servers::identity::Admin;
use crate::servers::keystone::SERVICE_PASSWORD;
use crate::servers::{Servers, http, ports, postgres};
use crate::workspace;

/// `volume_backend_name` of the backends.
pub(crate) const BACKENDS: [&str; 2] = ["file", "file2"];
/// What DevStack calls it; openstackclient's tests look for that.
const DEFAULT_TYPE: &str = "lvmdriver-1";
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// What a service may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(15);
/// What all of them may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Running services. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Stack {
    processes: Vec<Group>,
    _network: Stub,
    folder: PathBuf,
    api_port: u16,
}

impl Stack {
    /// Starts everything below `folder` and waits until both workers are known.
    pub(crate) async fn start(servers: &Servers, folder: &Path) -> anyhow::Result<Self> {
        postgres::create(servers.ports(), "conformance").await?;
        let [api_port, scheduler_port] = ports::free()?;
        let network = Stub::start().await?;
        let admin = Admin::sign_in(servers.ports().keystone)?;
        register(&admin, api_port, &network)?;
        let mut stack = Self { processes: Vec::new(), _network: network, folder: folder.to_owned(), api_port };
        for part in ["log", "config"].into_iter().chain(BACKENDS) {
            fs::create_dir_all(folder.join(part))?;
        }
        let files = Files { servers, folder, api_port, scheduler_port };
        stack.launch("api", "api", &files.api())?;
        stack.launch("scheduler", "scheduler", &files.scheduler())?;
        for name in WORKERS {
            stack.launch(name, "backup-worker", &files.worker(name))?;
        }
        stack.wait_until_ready(admin.token()).await?;
        stack.create_default_type(admin.token())?;
        Ok(stack)
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.api_port
    }

    pub(crate) fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Starts `emberkeep-<program>`; its output goes to its log.
    fn launch(&mut self, name: &str, program: &str, configuration: &str) -> anyhow::Result<()> {
        let file = self.folder.join("config").join(format!("{name}.toml"));
        fs::write(&file, configuration)?;
        let log = File::create(self.folder.join("log").join(format!("{name}.log")))?;
        let program = workspace::target_directory()?.join("debug").join(format!("emberkeep-{program}"));
        let mut command = process::ends_with_us(&program, Signal::TERM, None);
        command.arg("--config").arg(&file).stdout(Stdio::from(log.try_clone()?)).stderr(log);
        // The services would take these for configuration.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("EMBERKEEP_") {
                command.env_remove(variable);
            }
        }
        self.processes.push(Group::start(name, command, Signal::TERM, GRACE)?);
        Ok(())
    }

    /// Until the api lists every worker's services as up.
    async fn wait_until_ready(&self, token: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(process) = self.processes.iter().find(|process| process.has_ended()) {
                let log = fs::read_to_string(self.log_folder().join(format!("{}.log", process.name())));
                bail!("{} ended while it started:\n{}", process.name(), log.unwrap_or_default());
            }
            let answer = http::request(self.api_port, "GET", "/v3/os-services?binary=cinder-volume", token, None);
            let problem = match answer {
                Ok(answer) if answer.status == 200 => {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    if WORKERS.iter().all(|name| text.contains(name)) {
                        return Ok(());
                    }
                    text
                }
                Ok(answer) => format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > deadline {
                bail!("no api with all workers after {} s; at last: {problem}", START_LIMIT.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn create_default_type(&self, token: &str) -> anyhow::Result<()> {
        let wish = json!({ "volume_type": { "name": DEFAULT_TYPE } });
        let answer = http::request(self.api_port, "POST", "/v3/types", token, Some(&wish))?;
        ensure!(answer.status == 200, "make the default type: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }
}

impl Drop for Stack {
    /// All are asked first, so that they end side by side.
    fn drop(&mut self) {
        for process in &self.processes {
            process.ask_to_stop();
        }
    }
}

/// Without the project in the URL of `block-storage`: the SDK asks for default types behind it, where Cinder has no project.
fn register(admin: &Admin, api_port: u16, network: &Stub) -> anyhow::Result<()> {
    let url = format!("http://127.0.0.1:{api_port}/v3");
    admin.service("block-storage", "cinder", &url)?;
    admin.service("volumev3", "cinderv3", &format!("{url}/%(project_id)s"))?;
    admin.service("network", "neutron", &network.url()).context("fill the catalogue")
}

/// The services' configuration files.
struct Files<'a> {
    servers: &'a Servers,
    folder: &'a Path,
    api_port: u16,
    scheduler_port: u16,
}

impl Files<'_> {
    fn api(&self) -> String {
        format!(
            "[api]\nlisten = '127.0.0.1:{port}'\nauth_strategy = 'keystone'\n\
             default_volume_type = '{DEFAULT_TYPE}'\n\
             [keystone_authtoken]\nauth_url = '{keystone}'\nwww_authenticate_uri = '{keystone}'\n\
             username = 'cinder'\npassword = '{SERVICE_PASSWORD}'\nproject_name = 'service'\nrequest_timeout_secs = 60\n\
             [quota]\nquota_volumes = -1\nquota_gigabytes = -1\nquota_snapshots = -1\nquota_backups = -1\n\
             quota_backup_gigabytes = -1\n{database}{shared}",
            port = self.api_port,
            keystone = self.keystone(),
            database = self.database(),
            shared = self.shared(),
        )
    }

    fn scheduler(&self) -> String {
        let (database, shared) = (self.database(), self.shared());
        format!("[scheduler]\nlisten = '127.0.0.1:{}'\n{database}{shared}", self.scheduler_port)
    }

    fn worker(&self, name: &str) -> String {
        let folder = self.folder.display();
        let pools = BACKENDS.map(|name| format!("[[pools]]\nname = '{name}'\npath = '{folder}/{name}'\n"));
        format!(
            "[worker]\nscheduler_url = 'http://127.0.0.1:{port}'\nhost = '{name}'\nspool_dir = '{folder}/spool-{name}'\n\
             {pools}\
             [store]\nbackup_driver = 'cinder.backup.drivers.swift.SwiftBackupDriver'\n\
             backup_swift_auth = 'single_user'\nbackup_swift_auth_version = '3'\nbackup_swift_auth_url = '{keystone}'\n\
             backup_swift_user = 'cinder'\nbackup_swift_key = '{SERVICE_PASSWORD}'\nbackup_swift_project = 'service'\n\
             backup_swift_user_domain = 'Default'\nbackup_swift_project_domain = 'Default'\n{shared}",
            port = self.scheduler_port,
            pools = pools.concat(),
            keystone = self.keystone(),
            shared = self.shared(),
        )
    }

    fn keystone(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.servers.ports().keystone)
    }

    fn database(&self) -> String {
        let port = self.servers.ports().postgres;
        format!("[database]\nconnection = 'postgresql://postgres@127.0.0.1:{port}/conformance'\nmax_pool_size = 10\n")
    }

    fn shared(&self) -> String {
        let port = self.servers.ports().amqp;
        format!(
            "[messaging]\ntransport_url = 'amqp://guest:guest@127.0.0.1:{port}/%2f'\n[telemetry]\nlog_filter = 'info'\n"
        )
    }
}
