//! `/console/failures`: what failed after it had been accepted, why, and what to do about it.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use domain::message::Detail;
use serde::Deserialize;

use super::jobs::{self, Job};
use super::names::Names;
use super::page::{Leave, Member, Shell};
use super::rest::{Refusal, Rest};
use super::words::{ago, date, time};

const FAILED: usize = 50;
const MESSAGES: usize = 200;

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    event_id: String,
    resource_uuid: Option<String>,
}

#[derive(Debug)]
struct Failure {
    id: String,
    title: String,
    reason: String,
    remedy: &'static str,
    when: String,
    date: String,
    link: Option<String>,
    /// What may be tried again: a link, and its words.
    again: Option<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "console/failures.html")]
struct FailuresPage {
    shell: Shell,
    failures: Vec<Failure>,
}

pub(super) async fn list(member: Member) -> Result<Response, Leave> {
    let names = Names::read(&member.rest).await?;
    let jobs = jobs::read(&member.rest, &format!("state=failed&limit={FAILED}&sort=updated_at:desc")).await?;
    let details = details(&member.rest).await?;
    let failures = jobs.iter().map(|job| failure(job, &names, &details, &member)).collect();
    Ok(member.visit.show(&FailuresPage { shell: member.shell("failures"), failures }))
}

/// What the newest message about a resource says went wrong.
async fn details(rest: &Rest) -> Result<BTreeMap<String, Detail>, Refusal> {
    let Messages { messages } = rest.get(&format!("/messages?limit={MESSAGES}&sort=created_at:desc")).await?;
    // The newest comes last, so that it counts.
    let told = messages.into_iter().rev().filter_map(|message| {
        let (_, number) = message.event_id.rsplit_once('_')?;
        Some((message.resource_uuid?, Detail::parse(number)?))
    });
    Ok(told.collect())
}

fn failure(job: &Job, names: &Names, details: &BTreeMap<String, Detail>, member: &Member) -> Failure {
    let at = time(&job.updated_at).unwrap_or(member.visit.now);
    let ids = [&job.backup_id, &job.volume_id, &job.snapshot_id];
    let detail = ids.into_iter().flatten().find_map(|id| details.get(id)).copied();
    let volume = job.volume_id.as_deref().filter(|id| names.knows(id));
    let again = match (job.kind.as_str(), &job.backup_id, volume) {
        ("backup_restore" | "backup_verify", Some(backup), _) => {
            Some((format!("/console/backups/{backup}/restore"), "Restore another point"))
        }
        ("backup_create", _, Some(volume)) => Some((format!("/console/volumes/{volume}"), "Back up again")),
        _ => None,
    };
    Failure {
        id: job.id.clone(),
        title: job.title(names),
        reason: job.error.clone().unwrap_or_else(|| "No reason was kept.".to_owned()),
        remedy: remedy(&job.kind, detail),
        when: ago(at, member.visit.now),
        date: date(at),
        link: volume.map(|id| format!("/console/volumes/{id}")),
        again,
    }
}

/// By what went wrong, and where nothing was told of that, by what was being done.
fn remedy(kind: &str, detail: Option<Detail>) -> &'static str {
    match detail {
        Some(Detail::NoBackendAvailable | Detail::BackupScheduleError | Detail::AttachError) => {
            "No worker reaches the pool or the zone that this needs. Under Workers, see which are up and enabled; start \
             or enable one that reaches it, then ask again."
        }
        Some(Detail::BackupServiceDown) => {
            "The worker was lost while it ran this, again and again. Look at the worker's log and at the memory of its \
             host, then ask again; nothing that was there before is harmed."
        }
        Some(Detail::BackupInvalidState | Detail::VolumeInvalidState) => {
            "Something else was done with it meanwhile. Wait until it is available, then ask again."
        }
        Some(Detail::BackupDamaged) => {
            "What is stored is not what was backed up: do not count on this backup, nor on those that build on it. Make a \
             full backup of the volume now, and verify the earlier points."
        }
        Some(Detail::BackupUnreadable) => {
            "The store did not give what is stored. See whether it is up and whether the worker may sign in to it, then \
             verify again; the backup itself may be sound."
        }
        Some(Detail::QuotaExceed) => "The project's quota is used up. Delete what is not needed, or have it raised.",
        _ => by_kind(kind),
    }
}

fn by_kind(kind: &str) -> &'static str {
    match kind {
        "backup_create" => {
            "Put right what the reason names: mostly the store's login or room, or the volume's pool. Then back up again; \
             earlier points in time are as good as before."
        }
        "backup_restore" => {
            "The target does not hold the backup's content, so do not use it. Put right what the reason names, then \
             restore again, or choose another point in time."
        }
        "backup_delete" => "Put right what the reason names, mostly the store's login, then delete the backup again.",
        "backup_verify" => "Put right what the reason names, then verify again.",
        "backup_import" => {
            "See that the record belongs to this store and that its objects are there, then import again."
        }
        _ => "Put right what the reason names, then ask again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_remedy_of_its_cause() {
        assert!(remedy("backup_verify", Some(Detail::BackupDamaged)).contains("full backup"));
        assert!(remedy("backup_create", Some(Detail::BackupScheduleError)).contains("Under Workers"));
        assert!(remedy("backup_create", Some(Detail::BackupCreateDriverError)).contains("store"));
        assert!(remedy("backup_restore", None).contains("do not use it"));
        assert!(remedy("volume_move", None).contains("ask again"));
    }
}
