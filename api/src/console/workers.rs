//! `/console/workers`: what does the work, how busy it is, and emptying a host before it is taken away.

use askama::Template;
use axum::response::Response;
use domain::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Leave, Member, Shell};
use super::rest::Refusal;
use super::words::{ago, bytes, class, time};

const HERE: &str = "/console/workers";
const BINARY: &str = "cinder-backup";

#[derive(Deserialize)]
struct Workers {
    workers: Vec<Worker>,
}

#[derive(Deserialize)]
struct Worker {
    host: String,
    availability_zone: String,
    slots: i64,
    busy: i64,
    draining: bool,
    backups_disabled: bool,
    pools: Vec<Pool>,
    limits: Limits,
}

#[derive(Deserialize)]
struct Pool {
    name: String,
    free_bytes: i64,
    total_bytes: i64,
}

#[derive(Deserialize)]
struct Limits {
    bytes_per_second: Option<i64>,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    binary: String,
    host: String,
    status: String,
    state: String,
    updated_at: String,
    disabled_reason: Option<String>,
}

#[derive(Debug)]
struct WorkerRow {
    host: String,
    zone: String,
    busy: i64,
    slots: i64,
    state: &'static str,
    class: &'static str,
    /// Its service takes no new work, by an operator's word.
    is_disabled: bool,
    limit: Option<String>,
    pools: Vec<PoolRow>,
}

#[derive(Debug)]
struct PoolRow {
    name: String,
    free: String,
    total: String,
    used_percent: i64,
}

#[derive(Debug)]
struct ServiceRow {
    service: String,
    host: String,
    status: String,
    state: String,
    class: &'static str,
    when: String,
    reason: Option<String>,
}

#[derive(Template)]
#[template(path = "console/workers.html")]
struct WorkersPage {
    shell: Shell,
    /// False for those who may not see them.
    is_allowed: bool,
    workers: Vec<WorkerRow>,
    services: Vec<ServiceRow>,
}

pub(super) async fn list(member: Member) -> Result<Response, Leave> {
    let asked: Result<Workers, Refusal> = member.rest.get("/emberkeep/workers").await;
    let (is_allowed, workers, services) = match asked {
        Ok(Workers { workers }) => {
            let Services { services } = member.rest.get("/os-services").await?;
            (true, workers, services)
        }
        Err(refusal) if refusal.status == StatusCode::FORBIDDEN => (false, Vec::new(), Vec::new()),
        Err(refusal) => return Err(refusal.into()),
    };
    let mut workers: Vec<WorkerRow> = workers.into_iter().map(WorkerRow::of).collect();
    workers.sort_by(|a, b| a.host.cmp(&b.host));
    let services = services.into_iter().map(|service| ServiceRow::of(service, member.visit.now)).collect();
    Ok(member.visit.show(&WorkersPage { shell: member.shell("workers"), is_allowed, workers, services }))
}

pub(super) async fn drain(member: Member) -> Result<Response, Leave> {
    let host = member.visit.field("host");
    let reason = format!("drained from the console by {}", member.user());
    let body = json!({"host": host, "binary": BINARY, "disabled_reason": reason});
    let asked: Result<Value, Refusal> = member.rest.put("/os-services/disable-log-reason", body).await;
    member.acted(HERE, asked, &format!("{host} takes no new backups; those that run there move to another host."))
}

pub(super) async fn enable(member: Member) -> Result<Response, Leave> {
    let host = member.visit.field("host");
    let body = json!({"host": host, "binary": BINARY});
    let asked: Result<Value, Refusal> = member.rest.put("/os-services/enable", body).await;
    member.acted(HERE, asked, &format!("{host} takes backups again."))
}

impl WorkerRow {
    fn of(worker: Worker) -> Self {
        let (state, class) = match (worker.draining, worker.backups_disabled) {
            (true, _) => ("stopping", "busy"),
            (false, true) if worker.busy > 0 => ("draining", "busy"),
            (false, true) => ("drained", "calm"),
            (false, false) => ("enabled", "good"),
        };
        Self {
            host: worker.host,
            zone: worker.availability_zone,
            busy: worker.busy,
            slots: worker.slots,
            state,
            class,
            is_disabled: worker.backups_disabled,
            limit: worker.limits.bytes_per_second.map(|limit| format!("at most {}/s", bytes(limit))),
            pools: worker.pools.into_iter().map(PoolRow::of).collect(),
        }
    }
}

impl PoolRow {
    fn of(pool: Pool) -> Self {
        let used = pool.total_bytes.saturating_sub(pool.free_bytes).max(0);
        let used_percent = used.saturating_mul(100).checked_div(pool.total_bytes).unwrap_or(0).min(100);
        Self { name: pool.name, free: bytes(pool.free_bytes), total: bytes(pool.total_bytes), used_percent }
    }
}

impl ServiceRow {
    fn of(service: Service, now: Timestamp) -> Self {
        Self {
            class: class(if service.status == "disabled" { "disabled" } else { &service.state }),
            when: time(&service.updated_at).map(|at| ago(at, now)).unwrap_or_default(),
            service: service.binary,
            host: service.host,
            status: service.status,
            state: service.state,
            reason: service.disabled_reason,
        }
    }
}
