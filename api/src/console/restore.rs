//! `/console/backups/{id}/restore`: which point in time, and where to. And a verification, which needs no place.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chain::{self, Point};
use super::names::{Names, called};
use super::page::{Leave, Member, Shell, told};
use super::rest::Refusal;
use super::session::Notice;
use super::volumes::{Volume, of_volume};

/// The newest points to choose from.
const POINTS: usize = 200;

#[derive(Deserialize)]
struct Listed {
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Shown {
    backup: Backup,
}

#[derive(Deserialize)]
struct Backup {
    id: String,
    volume_id: String,
    size: i64,
}

#[derive(Deserialize)]
struct Accepted {
    restore: Target,
}

#[derive(Deserialize)]
struct Target {
    volume_id: String,
}

#[derive(Template)]
#[template(path = "console/restore.html")]
struct RestorePage {
    shell: Shell,
    /// The point that was chosen on the way here.
    id: String,
    volume: String,
    points: Vec<Point>,
    /// What the backup fits into: id and name.
    targets: Vec<(String, String)>,
}

pub(super) async fn show(member: Member) -> Result<Response, Leave> {
    let Shown { backup } = member.rest.get(&format!("/backups/{}", member.id())).await?;
    let stored = chain::read(&member.rest, &of_volume(&backup.volume_id, POINTS)).await?;
    let points = stored.backups.iter().map(|stored| Point::of(stored, member.visit.now));
    let points = points.filter(|point| point.is_restorable).collect();
    let Listed { volumes } = member.rest.get("/volumes/detail?status=available").await?;
    let fits = |volume: &Volume| volume.size >= backup.size;
    let targets = volumes.into_iter().filter(fits);
    let targets = targets.map(|volume| (volume.id.clone(), called(volume.name.as_deref(), &volume.id))).collect();
    let volume = Names::read(&member.rest).await?.of(&backup.volume_id);
    Ok(member.visit.show(&RestorePage { shell: member.shell("backups"), id: backup.id, volume, points, targets }))
}

pub(super) async fn restore(member: Member) -> Result<Response, Leave> {
    let visit = &member.visit;
    let point = Some(visit.field("point")).filter(|point| !point.is_empty()).unwrap_or(member.id());
    if !point.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Leave::absent());
    }
    let restore = match visit.field("target") {
        "existing" => json!({"volume_id": visit.field("volume_id")}),
        _ => json!({"name": Some(visit.field("name")).filter(|name| !name.is_empty())}),
    };
    let asked: Result<Accepted, Refusal> =
        member.rest.post(&format!("/backups/{point}/restore"), json!({ "restore": restore })).await;
    match asked {
        Ok(Accepted { restore: Target { volume_id } }) => {
            let notice = Notice::done("The restore was accepted; the volume is available when it has ended.");
            Ok(told(&format!("/console/volumes/{volume_id}"), &notice))
        }
        refused => member.acted(&format!("/console/backups/{point}/restore"), refused, ""),
    }
}

pub(super) async fn verify(member: Member) -> Result<Response, Leave> {
    let path = format!("/emberkeep/backups/{}/verify", member.id());
    let asked: Result<Value, Refusal> = member.rest.post(&path, json!({})).await;
    member.acted("/console/jobs", asked, "A verification was accepted: it reads all that a restore would read.")
}
