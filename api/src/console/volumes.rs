//! `/console/volumes` and `/console/backups`: the volumes with their chains, one of them with every point, and all backups,
//! those of volumes that are gone among them. And the next backup.

use askama::Template;
use axum::response::Response;
use domain::Timestamp;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chain::{self, Point, Timeline};
use super::jobs::{self, Row, UNDER_WAY};
use super::names::{Names, called};
use super::page::{Leave, Member, Shell};
use super::rest::{Refusal, Rest};
use super::words::class;

/// Volumes on a page, each with a request for its points.
const VOLUMES: usize = 20;
/// The newest of a volume, in the list and on its own page.
const POINTS: usize = 40;
const ALL_POINTS: usize = 500;
/// Backups on a page.
const BACKUPS: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) status: String,
    pub(super) size: i64,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    volumes: Vec<Volume>,
    #[serde(default)]
    volumes_links: Vec<Value>,
}

#[derive(Deserialize)]
struct Shown {
    volume: Volume,
}

#[derive(Debug)]
struct Card {
    id: String,
    name: String,
    status: String,
    class: &'static str,
    size: i64,
    description: Option<String>,
    timeline: Timeline,
    /// Whether a backup would be taken now.
    is_ready: bool,
}

#[derive(Template)]
#[template(path = "console/volumes.html")]
struct VolumesPage {
    shell: Shell,
    cards: Vec<Card>,
    jobs: Vec<Row>,
    /// The page begins after another.
    is_later: bool,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "console/volume.html")]
struct VolumePage {
    shell: Shell,
    card: Card,
    jobs: Vec<Row>,
    /// Newest first.
    points: Vec<Point>,
}

#[derive(Template)]
#[template(path = "console/backups.html")]
struct BackupsPage {
    shell: Shell,
    rows: Vec<(Point, String, bool)>,
    is_later: bool,
    next: Option<String>,
}

pub(super) async fn list(member: Member) -> Result<Response, Leave> {
    let marker = marker(&member)?;
    let Listed { volumes, volumes_links } =
        member.rest.get(&format!("/volumes/detail?limit={VOLUMES}{}", after(marker))).await?;
    let next = volumes.last().filter(|_| !volumes_links.is_empty()).map(|last| last.id.clone());
    let names = Names::read(&member.rest).await?;
    let jobs = jobs::rows(&member, &names, &format!("ended=false&limit={UNDER_WAY}&sort=created_at:asc")).await?;
    let cards = volumes.into_iter().map(|volume| card(&member.rest, volume, POINTS, member.visit.now));
    let cards = try_join_all(cards).await?;
    let is_later = marker.is_some();
    Ok(member.visit.show(&VolumesPage { shell: member.shell("volumes"), cards, jobs, is_later, next }))
}

pub(super) async fn show(member: Member) -> Result<Response, Leave> {
    let id = member.id();
    let Shown { volume } = member.rest.get(&format!("/volumes/{id}")).await?;
    let names = Names::read(&member.rest).await?;
    let query = format!("ended=false&volume_id={}&limit={UNDER_WAY}", volume.id);
    let jobs = jobs::rows(&member, &names, &query).await?;
    let stored = chain::read(&member.rest, &of_volume(&volume.id, ALL_POINTS)).await?;
    let points = stored.backups.iter().map(|stored| Point::of(stored, member.visit.now)).collect();
    let card = Card::of(volume, Timeline::of(stored, member.visit.now));
    Ok(member.visit.show(&VolumePage { shell: member.shell("volumes"), card, jobs, points }))
}

pub(super) async fn backups(member: Member) -> Result<Response, Leave> {
    let marker = marker(&member)?;
    let query = format!("limit={BACKUPS}&sort=data_timestamp:desc{}", after(marker));
    let page = chain::read(&member.rest, &query).await?;
    let names = Names::read(&member.rest).await?;
    let next = page.backups.last().filter(|_| page.has_more).map(|last| last.id.clone());
    let row = |stored: &chain::Stored| {
        let volume = &stored.volume_id;
        (Point::of(stored, member.visit.now), names.of(volume), names.knows(volume))
    };
    let rows = page.backups.iter().map(row).collect();
    let is_later = marker.is_some();
    Ok(member.visit.show(&BackupsPage { shell: member.shell("backups"), rows, is_later, next }))
}

pub(super) async fn back_up(member: Member) -> Result<Response, Leave> {
    let (id, visit) = (member.id(), &member.visit);
    let name = Some(visit.field("name")).filter(|name| !name.is_empty());
    let is_incremental = visit.field("kind") == "incremental";
    // As `--force` of the clients: a volume in use is backed up as it stands.
    let is_forced = visit.field("force") == "true";
    let body = json!({"backup": {"volume_id": id, "name": name, "incremental": is_incremental, "force": is_forced}});
    let asked: Result<Value, Refusal> = member.rest.post("/backups", body).await;
    let kind = if is_incremental { "incremental" } else { "full" };
    let to =
        if visit.field("from") == "list" { "/console/volumes".to_owned() } else { format!("/console/volumes/{id}") };
    member.acted(&to, asked, &format!("A {kind} backup was accepted.").replace("A incremental", "An incremental"))
}

/// The last thing of the page before.
fn marker(member: &Member) -> Result<Option<&str>, Leave> {
    let marker = member.visit.field("after");
    if !marker.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Leave::absent());
    }
    Ok(Some(marker).filter(|marker| !marker.is_empty()))
}

fn after(marker: Option<&str>) -> String {
    marker.map(|marker| format!("&marker={marker}")).unwrap_or_default()
}

/// The newest points of a volume.
pub(super) fn of_volume(id: &str, limit: usize) -> String {
    format!("volume_id={id}&limit={limit}&sort=data_timestamp:desc")
}

async fn card(rest: &Rest, volume: Volume, limit: usize, now: Timestamp) -> Result<Card, Refusal> {
    let stored = chain::read(rest, &of_volume(&volume.id, limit)).await?;
    Ok(Card::of(volume, Timeline::of(stored, now)))
}

impl Card {
    fn of(volume: Volume, timeline: Timeline) -> Self {
        Self {
            name: called(volume.name.as_deref(), &volume.id),
            class: class(&volume.status),
            is_ready: matches!(volume.status.as_str(), "available" | "in-use"),
            id: volume.id,
            status: volume.status,
            size: volume.size,
            description: volume.description.filter(|text| !text.is_empty()),
            timeline,
        }
    }
}
