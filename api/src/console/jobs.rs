//! `/console/jobs`: what is under way and what has ended, live; the end of a job before its time.

use askama::Template;
use axum::response::Response;
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::page::{Leave, Member, Shell};
use super::rest::{Refusal, Rest};
use super::words::{ago, bytes, class, left, short, time};

/// Jobs of the past that are shown.
const ENDED: usize = 25;
/// More at once would not be read by anybody.
pub(super) const UNDER_WAY: usize = 100;

/// A job as the REST routes show it.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) cancel_requested: bool,
    pub(super) volume_id: Option<String>,
    pub(super) backup_id: Option<String>,
    pub(super) snapshot_id: Option<String>,
    done_bytes: i64,
    total_bytes: i64,
    percent: Option<i64>,
    bytes_per_second: Option<i64>,
    eta_seconds: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) updated_at: String,
}

#[derive(Deserialize)]
struct Listed {
    jobs: Vec<Job>,
}

/// A row of the list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) state: String,
    pub(super) class: &'static str,
    pub(super) percent: Option<i64>,
    /// How far, how fast, how long still.
    pub(super) pace: String,
    pub(super) when: String,
    pub(super) error: Option<String>,
    pub(super) is_cancellable: bool,
    /// The volume's page, where the volume is still there.
    pub(super) link: Option<String>,
}

#[derive(Template)]
#[template(path = "console/jobs.html")]
struct JobsPage {
    shell: Shell,
    jobs: Vec<Row>,
    ended: Vec<Row>,
}

pub(super) async fn list(member: Member) -> Result<Response, Leave> {
    let names = Names::read(&member.rest).await?;
    let jobs = rows(&member, &names, &format!("ended=false&limit={UNDER_WAY}&sort=created_at:asc")).await?;
    let ended = rows(&member, &names, &format!("ended=true&limit={ENDED}&sort=updated_at:desc")).await?;
    Ok(member.visit.show(&JobsPage { shell: member.shell("jobs"), jobs, ended }))
}

pub(super) async fn cancel(member: Member) -> Result<Response, Leave> {
    let asked: Result<Value, Refusal> =
        member.rest.post(&format!("/emberkeep/jobs/{}/cancel", member.id()), json!({})).await;
    member.acted("/console/jobs", asked, "The job ends within seconds; what it stored is removed.")
}

/// The project's events as the REST routes stream them: the script takes them as a hint to read its page again.
pub(super) async fn events(member: Member) -> Result<Response, Leave> {
    const LAST_EVENT_ID: &str = "last-event-id";
    let told = member.visit.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let headers: Vec<_> = told.map(|told| (LAST_EVENT_ID, told)).into_iter().collect();
    let mut response = member.rest.send(Method::GET, "/emberkeep/jobs/events", None, &headers).await?;
    if response.status() == StatusCode::UNAUTHORIZED {
        return Err(Leave::SignedOut);
    }
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    response.headers_mut().clear();
    response.headers_mut().extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    Ok(response)
}

pub(super) async fn read(rest: &Rest, query: &str) -> Result<Vec<Job>, Refusal> {
    let Listed { jobs } = rest.get(&format!("/emberkeep/jobs?{query}")).await?;
    Ok(jobs)
}

pub(super) async fn rows(member: &Member, names: &Names, query: &str) -> Result<Vec<Row>, Refusal> {
    let jobs = read(&member.rest, query).await?;
    Ok(jobs.iter().map(|job| Row::of(job, names, member.visit.now)).collect())
}

impl Row {
    pub(super) fn of(job: &Job, names: &Names, now: Timestamp) -> Self {
        let state = if job.cancel_requested && !job.has_ended() { "cancelling" } else { &job.state };
        let volume = job.volume_id.as_deref().filter(|id| names.knows(id));
        Self {
            id: job.id.clone(),
            title: job.title(names),
            state: state.to_owned(),
            class: class(state),
            percent: job.percent.filter(|_| job.state == "running"),
            pace: job.pace(),
            when: time(&job.updated_at).map(|at| ago(at, now)).unwrap_or_default(),
            error: job.error.clone(),
            is_cancellable: !job.has_ended() && !job.cancel_requested && job.may_be_cancelled(),
            link: volume.map(|id| format!("/console/volumes/{id}")),
        }
    }
}

impl Job {
    fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "succeeded" | "failed" | "cancelled")
    }

    fn may_be_cancelled(&self) -> bool {
        domain::job::JobKind::parse(&self.kind).is_some_and(domain::job::JobKind::is_cancellable)
    }

    pub(super) fn title(&self, names: &Names) -> String {
        let volume = self.volume_id.as_deref().map(|id| names.of(id));
        let backup = self.backup_id.as_deref().map(short).unwrap_or_default();
        let what = volume.or_else(|| self.snapshot_id.as_deref().map(short)).unwrap_or_else(|| backup.clone());
        match self.kind.as_str() {
            "backup_create" => format!("Backup of {what}"),
            "backup_restore" => format!("Restore of backup {backup} to {what}"),
            "backup_delete" => format!("Deletion of backup {backup}"),
            "backup_import" => format!("Import of backup {backup}"),
            "backup_verify" => format!("Verification of backup {backup}"),
            "volume_create" => format!("Creation of {what}"),
            "volume_delete" => format!("Deletion of {what}"),
            "volume_extend" => format!("Extension of {what}"),
            other => format!("{} {what}", other.replace('_', " ")),
        }
    }

    fn pace(&self) -> String {
        if self.state != "running" {
            return match self.state.as_str() {
                "queued" => "Waits for a worker with a free slot".to_owned(),
                "assigned" => "A worker begins".to_owned(),
                _ => String::new(),
            };
        }
        let mut parts = Vec::new();
        if let (Some(percent), true) = (self.percent, self.total_bytes > 0) {
            parts.push(format!("{percent} %"));
            parts.push(format!("{} of {}", bytes(self.done_bytes), bytes(self.total_bytes)));
        }
        parts.extend(self.bytes_per_second.filter(|rate| *rate > 0).map(|rate| format!("{}/s", bytes(rate))));
        parts.extend(self.eta_seconds.map(left));
        if parts.is_empty() { "Begins".to_owned() } else { parts.join(" · ") }
    }
}
