//! From the request for a volume to its end, on all services.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::load::TOKEN;
use super::{Build, service};
use crate::process::Group;
use crate::servers::{Servers, http, ports};
use crate::step::Steps;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Volumes that are made and deleted.
    #[arg(long, default_value_t = 50)]
    volumes: u32,
    #[command(flatten)]
    build: Build,
}

const DATABASE: &str = "bench";
const LIMIT: Duration = Duration::from_secs(30);
/// How often the api is asked whether the end has come.
const POLL: Duration = Duration::from_millis(5);

pub(crate) async fn run(steps: &mut Steps, options: &Options) -> anyhow::Result<()> {
    steps.run("build", options.build.make()).await?;
    let folder = tempfile::Builder::new().prefix("emberkeep-bench-").tempdir()?;
    let servers = steps.run("start RabbitMQ and PostgreSQL", Servers::start_message_and_data(DATABASE)).await?;
    println!("\n| services | act | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|");
    let three = three_services(options.build, &servers, folder.path()).await?;
    measure("three, RabbitMQ, PostgreSQL", three.port, options.volumes).await?;
    drop(three);
    let one = one_process(options.build, folder.path()).await?;
    measure("one process, SQLite", one.port, options.volumes).await
}

struct Running {
    port: u16,
    _processes: Vec<Group>,
}

async fn three_services(build: Build, servers: &Servers, folder: &Path) -> anyhow::Result<Running> {
    let [port, grpc] = ports::free()?;
    let shared = format!("[messaging]\ntransport_url = '{}'\n[telemetry]\nlog_filter = 'warn'\n", servers.amqp_url());
    let database = format!("[database]\nconnection = '{}'\n", servers.postgres_url(DATABASE));
    let api = format!("[api]\nlisten = '127.0.0.1:{port}'\n{QUOTA}{database}{shared}");
    let scheduler = format!("[scheduler]\nlisten = '127.0.0.1:{grpc}'\n{database}{shared}");
    let worker = format!("[worker]\nscheduler_url = 'http://127.0.0.1:{grpc}'\n{}{shared}", stores(folder));
    let mut processes = Vec::new();
    for (program, configuration) in
        [("emberkeep-api", api), ("emberkeep-scheduler", scheduler), ("emberkeep-backup-worker", worker)]
    {
        processes.push(service::start(build, program, &[], folder, &configuration)?);
    }
    wait(&processes, port, folder).await?;
    Ok(Running { port, _processes: processes })
}

async fn one_process(build: Build, folder: &Path) -> anyhow::Result<Running> {
    let [port] = ports::free()?;
    let database = format!("[database]\nconnection = 'sqlite://{}'\n", folder.join("one.db").display());
    let configuration = format!(
        "[api]\nlisten = '127.0.0.1:{port}'\n{QUOTA}{database}[worker]\n{}[telemetry]\nlog_filter = 'warn'\n",
        stores(folder)
    );
    let data = folder.join("data").display().to_string();
    let processes = vec![service::start(build, "emberkeep", &["serve", "--data-dir", &data], folder, &configuration)?];
    wait(&processes, port, folder).await?;
    Ok(Running { port, _processes: processes })
}

const QUOTA: &str = "[quota]\nquota_volumes = -1\nquota_gigabytes = -1\n";

fn stores(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "spool_dir = '{folder}/spool'\n[[pools]]\nname = 'pool'\npath = '{folder}/pool'\n\
         [store]\nbackup_driver = 'cinder.backup.drivers.posix.PosixBackupDriver'\nbackup_posix_path = '{folder}/store'\n"
    )
}

/// Until the worker is known.
async fn wait(processes: &[Group], port: u16, folder: &Path) -> anyhow::Result<()> {
    let api = processes.first().context("an api")?;
    service::ready(api, port, "/v3/os-services?binary=cinder-volume", "\"up\"", folder).await
}

async fn measure(services: &str, port: u16, volumes: u32) -> anyhow::Result<()> {
    let (mut made, mut deleted) = (Vec::new(), Vec::new());
    for _ in 0..volumes {
        let started = Instant::now();
        let body = json!({"volume": {"size": 1}});
        let id = text(&ask(port, "POST", "/v3/volumes", Some(&body), 202)?["volume"]["id"])?;
        until(port, &id, |status| status == Some("available")).await?;
        made.push(started.elapsed());
        let started = Instant::now();
        ask(port, "DELETE", &format!("/v3/volumes/{id}"), None, 202)?;
        until(port, &id, |status| status.is_none()).await?;
        deleted.push(started.elapsed());
    }
    for (act, mut times) in [("make a volume", made), ("delete it", deleted)] {
        times.sort();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1));
        let shown = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        println!("| {services} | {act} | {:.0} | {:.0} | {:.0} |", shown(at(50)), shown(at(99)), shown(times.last()));
    }
    Ok(())
}

/// Polls; `None` is a volume that is gone.
async fn until(port: u16, id: &str, reached: impl Fn(Option<&str>) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = http::request(port, "GET", &format!("/v3/volumes/{id}"), TOKEN, None)?;
        let body = answer.json()?;
        let status = if answer.status == 404 { None } else { body["volume"]["status"].as_str() };
        if reached(status) {
            return Ok(());
        }
        if status == Some("error") || Instant::now() > deadline {
            bail!("volume {id} is {status:?} after {} s at most", LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn ask(port: u16, method: &str, path: &str, body: Option<&Value>, expected: u16) -> anyhow::Result<Value> {
    let answer = http::request(port, method, path, TOKEN, body)?;
    if answer.status != expected {
        bail!("{method} {path} → {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(if answer.body.is_empty() { Value::Null } else { answer.json()? })
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("an id")
}
