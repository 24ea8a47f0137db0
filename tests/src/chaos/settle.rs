//! After the last fault: everything settles, and is held against what was promised.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use super::Report;
use super::actor::Ledger;
use super::caller::Caller;
use super::content::Content;
use super::fleet::{Fleet, Places};
use super::objects::Objects;
use super::plan::SERVICES;
use super::rows::{Available, Rows};
use super::strikes::Breaches;
use super::watch::processor_secs;
use crate::client::wait_until;

const START_LIMIT: Duration = Duration::from_secs(60);
/// For the work of the checks themselves.
const CHECK_LIMIT: Duration = Duration::from_secs(300);
/// How many backups are restored at a time.
const RESTORES: usize = 3;
/// How long the idle services are watched, and what part of a processor one of them may take.
const IDLE: Duration = Duration::from_secs(4);
const IDLE_SHARE_MAX: f64 = 0.15;

/// Until both apis list every scheduler and worker as up.
pub(super) async fn until_ready(fleet: &Fleet) -> Result<()> {
    for port in fleet.places.api_ports {
        let client = crate::client::Client::new(&format!("http://127.0.0.1:{port}/v3"), &super::actor::project(0))?;
        wait_until(&format!("api {port} knows all services"), START_LIMIT, async || {
            let Ok(shown) = client.get("/os-services").await else { return Ok(None) };
            let services = shown["services"].as_array().context("no services")?;
            let up: BTreeSet<&str> = services
                .iter()
                .filter(|service| service["state"] == "up")
                .filter_map(|service| service["host"].as_str()?.split('@').next())
                .collect();
            Ok(SERVICES[2..].iter().all(|name| up.contains(name)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Every process runs, knows the others, and has ended its work.
pub(super) async fn settled(fleet: &Fleet, breaches: &Breaches, give_up: Instant) {
    for index in 0..SERVICES.len() {
        breaches.note(fleet.service(index).lock().await.check());
    }
    breaches.note(until_ready(fleet).await.context("readiness"));
    breaches.note(until_settled(&fleet.places, give_up).await);
}

/// All checks, in the order in which each builds on the one before; what is wrong goes to the breaches.
pub(super) async fn check(fleet: &Fleet, ledger: &Ledger, breaches: &Breaches, report: &mut Report) -> Result<()> {
    let mut rows = Rows::connect(&fleet.places.database_url).await?;
    report.jobs = rows.endings().await?;
    let found = [rows.unexplained().await?, rows.failed().await?, rows.wrong_quotas().await?];
    let available = rows.available().await?;
    let objects = Objects::sign_in().await?;
    let stored = objects.breaches(&fleet.places.container, &available).await?;
    found.into_iter().flatten().chain(stored).for_each(|text| breaches.note(Err(anyhow!(text))));
    report.restored = restore_all(&fleet.places, ledger, breaches, &available).await;
    breaches.note(idle(fleet).await);
    breaches.note(clear(&fleet.places, &available, &objects).await.context("clearing away"));
    for index in 0..SERVICES.len() {
        breaches.note(fleet.service(index).lock().await.stop().await);
    }
    Ok(())
}

/// Every job and status has ended, every hint was sent, and the pool holds what rows name and nothing else.
async fn until_settled(places: &Places, give_up: Instant) -> Result<()> {
    loop {
        let mut rows = Rows::connect(&places.database_url).await?;
        let mut unsettled = rows.unsettled().await?;
        unsettled.extend(strange_files(places, &mut rows).await?);
        if unsettled.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < give_up, "not settled: {}", unsettled.join("; "));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn strange_files(places: &Places, rows: &mut Rows) -> Result<Vec<String>> {
    let known: BTreeSet<String> = rows.files().await?.into_iter().collect();
    let mut strange = Vec::new();
    for entry in fs::read_dir(places.pool()).context("look into the pool")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !known.contains(&name) {
            strange.push(format!("the pool holds {name}"));
        }
    }
    Ok(strange)
}

/// Restores every backup that claims to be whole and compares. Answers how many there are.
async fn restore_all(places: &Places, ledger: &Ledger, breaches: &Breaches, available: &[Available]) -> usize {
    let restores = available.iter().map(|backup| async move {
        let outcome = restore(places, ledger, backup).await;
        breaches.note(outcome.with_context(|| format!("backup {} ({})", backup.id, backup.name)));
    });
    stream::iter(restores).buffer_unordered(RESTORES).count().await
}

async fn restore(places: &Places, ledger: &Ledger, backup: &Available) -> Result<()> {
    let expected = ledger.get(&backup.name).context("nobody asked for it")?;
    let caller = Caller::new(places, &backup.project_id, Instant::now() + CHECK_LIMIT)?;
    let name = format!("check-{}", backup.id);
    let body = json!({"restore": {"name": name}});
    let made = caller.make("volumes", &format!("/backups/{}/restore", backup.id), &body, &name).await?;
    let volume = made.context("its restore is refused")?;
    let view = caller.settled("volumes", &volume).await?.context("the restored volume is gone")?;
    ensure!(view["status"] == "available", "the restore ended with {view}");
    let difference = expected.difference(&Content::of(&places.volume(&volume))?);
    ensure!(difference.is_none(), "WRONG BYTES: {difference:?}");
    caller.settled("backups", &backup.id).await?;
    caller.ask(Method::DELETE, &format!("/volumes/{volume}"), None).await.map(drop)
}

/// Services that have nothing to do take next to nothing of the processors.
async fn idle(fleet: &Fleet) -> Result<()> {
    let mut before = Vec::new();
    for index in 0..SERVICES.len() {
        let id = fleet.service(index).lock().await.id();
        before.push(id.and_then(|id| Some((id, processor_secs(id)?))));
    }
    tokio::time::sleep(IDLE).await;
    for (name, taken) in SERVICES.iter().zip(before) {
        let Some((id, secs)) = taken else { continue };
        let now = processor_secs(id).with_context(|| format!("{name} has ended by itself"))?;
        let share = (now - secs) / IDLE.as_secs_f64();
        ensure!(share < IDLE_SHARE_MAX, "{name} is idle and takes {:.0} % of a processor", share * 100.0);
    }
    Ok(())
}

/// Everything is deleted; then nothing is left in the store, the pool, or the counts.
async fn clear(places: &Places, available: &[Available], objects: &Objects) -> Result<()> {
    let projects: BTreeSet<&str> = available.iter().map(|backup| backup.project_id.as_str()).collect();
    let actors: Vec<String> = (0..super::ACTORS).map(super::actor::project).collect();
    let projects: BTreeSet<&str> = projects.into_iter().chain(actors.iter().map(String::as_str)).collect();
    let deadline = Instant::now() + CHECK_LIMIT;
    for project in projects {
        let caller = Caller::new(places, project, deadline)?;
        for nouns in ["backups", "snapshots", "volumes"] {
            // One with others on it goes in a later round.
            while !delete_each(&caller, nouns).await? {
                ensure!(Instant::now() < deadline, "{nouns} of {project} cannot be deleted");
            }
        }
    }
    let mut rows = Rows::connect(&places.database_url).await?;
    until_settled(places, deadline).await?;
    let wrong = rows.wrong_quotas().await?;
    let left = objects.list(&places.container).await?;
    ensure!(wrong.is_empty() && left.is_empty(), "left: {wrong:?}, {left:?}");
    let files: Vec<_> = fs::read_dir(places.pool())?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(files.is_empty(), "the pool still holds {files:?}");
    Ok(())
}

/// Asks for the deletion of each. Answers whether there was none.
async fn delete_each(caller: &Caller, nouns: &str) -> Result<bool> {
    let shown = caller.get(&format!("/{nouns}/detail")).await?;
    let all = shown.body[nouns].as_array().cloned().unwrap_or_default();
    for view in &all {
        let id = view["id"].as_str().context("an id")?;
        if nouns == "volumes" && (view["status"] == "in-use" || view["status"] == "error_restoring") {
            let reset = json!({"os-reset_status": {"status": "available", "attach_status": "detached"}});
            caller.order(&format!("/volumes/{id}/action"), &reset).await?;
        }
        caller.settled(nouns, id).await?;
        caller.ask(Method::DELETE, &format!("/{nouns}/{id}"), None).await?;
    }
    Ok(all.is_empty())
}
