//! Carrying out the plan's faults: each at its time, and taken back after it.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::Connection;
use tokio::task::JoinSet;

use super::fleet::Fleet;
use super::link::Mode;
use super::plan::{Event, Fault, LINKS, SERVICES, Strike};
use crate::servers::variable;

/// What a server's own command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(90);

/// What the services did wrong while they were struck.
#[derive(Debug, Default)]
pub(super) struct Breaches(Mutex<Vec<String>>);

impl Breaches {
    pub(super) fn note(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            let text = format!("{error:#}");
            println!("  breach: {text}");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns when the last fault was taken back and every process runs.
pub(super) async fn strike(fleet: &Arc<Fleet>, events: Vec<Event>, breaches: &Arc<Breaches>) -> Result<()> {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for event in events {
        tokio::time::sleep_until((start + event.at).into()).await;
        let (fleet, breaches) = (Arc::clone(fleet), Arc::clone(breaches));
        println!("{:>7.1} s  {}", event.at.as_secs_f64(), told(&event));
        running.spawn(async move { one(&fleet, event, &breaches).await.with_context(|| told(&event)) });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

fn told(event: &Event) -> String {
    let what = match event.fault {
        Fault::Process(service, strike) => format!("{} {strike:?}", SERVICES[service]),
        Fault::Link(link, mode) => format!("{} to {:?}: {mode:?}", LINKS[link].0, LINKS[link].1),
        Fault::Store(worker, fault) => format!("the store {} to worker-{}", fault.kind(), worker + 1),
        other => other.kind(),
    };
    format!("{what}, for {} ms", event.lasts.as_millis())
}

async fn one(fleet: &Fleet, event: Event, breaches: &Breaches) -> Result<()> {
    match event.fault {
        Fault::Process(service, strike) => strike_process(fleet, service, strike, event.lasts, breaches).await,
        Fault::BrokerConnectionsClosed => {
            let _alone = fleet.broker.lock().await;
            rabbitmqctl(&["close_all_connections", "chaos"]).await
        }
        Fault::BrokerDiskAlarm => {
            let _alone = fleet.broker.lock().await;
            rabbitmqctl(&["set_disk_free_limit", "1000000GB"]).await?;
            tokio::time::sleep(event.lasts).await;
            rabbitmqctl(&["set_disk_free_limit", "50MB"]).await
        }
        Fault::BrokerRestart => {
            let _alone = fleet.broker.lock().await;
            rabbitmqctl(&["stop_app"]).await?;
            tokio::time::sleep(event.lasts / 2).await;
            rabbitmqctl(&["start_app"]).await
        }
        Fault::DatabaseCrash => crash_database(&fleet.places.database_url).await,
        Fault::Link(link, mode) => {
            fleet.links[link].set(mode);
            tokio::time::sleep(event.lasts).await;
            fleet.links[link].set(Mode::Pass);
            Ok(())
        }
        Fault::Store(worker, fault) => {
            fleet.stores[worker].set(Some(fault));
            tokio::time::sleep(event.lasts).await;
            fleet.stores[worker].set(None);
            Ok(())
        }
    }
}

/// One strike at a time for each process: the next waits.
async fn strike_process(
    fleet: &Fleet,
    service: usize,
    strike: Strike,
    lasts: Duration,
    breaches: &Breaches,
) -> Result<()> {
    let mut service = fleet.service(service).lock().await;
    breaches.note(service.check());
    match strike {
        Strike::Kill => service.kill()?,
        Strike::Stop => breaches.note(service.stop().await),
        Strike::Freeze => {
            service.signal(Signal::STOP)?;
            tokio::time::sleep(lasts).await;
            return service.signal(Signal::CONT);
        }
    }
    tokio::time::sleep(lasts / 4).await;
    service.launch()
}

async fn rabbitmqctl(arguments: &[&str]) -> Result<()> {
    let mut command = tokio::process::Command::new(variable("EMBERKEEP_TEST_RABBITMQCTL"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_LIMIT, command.output()).await.context("rabbitmqctl does not end")??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rabbitmqctl {}: {}: {said}", arguments.join(" "), output.status);
    Ok(())
}

/// The postmaster ends all backends when one of them is killed, and recovers from its log, as after a crash.
async fn crash_database(url: &str) -> Result<()> {
    // Another crash may just be under way; then this one has happened.
    let Ok(mut connection) = sqlx::PgConnection::connect(url).await else { return Ok(()) };
    let id: Result<i32, _> = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await;
    let Ok(id) = id else { return Ok(()) };
    let backend = Pid::from_raw(id).context("a backend's number")?;
    kill_process(backend, Signal::KILL).context("kill a backend of PostgreSQL")
}
