//! Tells the cloud how backups go, where it wants to know: at the beginning, at each tenth, and at a good end, as Cinder does.

use db::{Conn, Scope, backups, workers};
use domain::backup::{Backup, BackupStatus};
use domain::job::{Job, JobKind, Progress};
use domain::{Kind, Result, Timestamp};
use outbox::About;

use crate::core::Core;

/// A step of progress that is worth a message, in percent: no backup sends more of them than a fixed number.
const STEP: i64 = 10;

/// A worker has claimed the job for the first time.
pub(crate) async fn started(core: &Core, conn: &mut Conn, job: &Job, now: Timestamp) -> Result<()> {
    let event = match job.kind {
        JobKind::BackupCreate => "create.start",
        JobKind::BackupRestore => "restore.start",
        JobKind::BackupDelete => "delete.start",
        _ => return Ok(()),
    };
    if job.attempts > 1 || !core.notifications.are_wanted() {
        return Ok(());
    }
    let Some(backup) = find(conn, job).await? else { return Ok(()) };
    tell(core, conn, job, &backup, event, None, now).await
}

/// The job had come as far as `before` says.
pub(crate) async fn progressed(
    core: &Core,
    conn: &mut Conn,
    before: &Job,
    progress: Progress,
    now: Timestamp,
) -> Result<bool> {
    let Some(percent) = progress.percent() else { return Ok(false) };
    let step = |percent: Option<i64>| percent.unwrap_or(0) / STEP;
    if step(Some(percent)) == step(before.progress.percent()) {
        return Ok(false);
    }
    let Some(backup) = find(conn, before).await? else { return Ok(false) };
    tell(core, conn, before, &backup, "createprogress", Some(percent), now).await?;
    Ok(true)
}

/// The backup as it is before its job ends, for [`ended`]; `None` where nobody is told.
pub(crate) async fn before_end(core: &Core, conn: &mut Conn, job: &Job) -> Result<Option<Backup>> {
    let is_told = matches!(job.kind, JobKind::BackupCreate | JobKind::BackupRestore | JobKind::BackupDelete);
    if is_told && core.notifications.are_wanted() { find(conn, job).await } else { Ok(None) }
}

/// The job ended well.
pub(crate) async fn ended(
    core: &Core,
    conn: &mut Conn,
    job: &Job,
    before: Option<Backup>,
    now: Timestamp,
) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let backup = match find(conn, job).await? {
        Some(backup) => backup,
        None => Backup { status: BackupStatus::Deleted, ..before },
    };
    let event = match job.kind {
        JobKind::BackupCreate => "create.end",
        JobKind::BackupRestore => "restore.end",
        _ => "delete.end",
    };
    tell(core, conn, job, &backup, event, None, now).await
}

async fn find(conn: &mut Conn, job: &Job) -> Result<Option<Backup>> {
    let Some(id) = job.subject.backup_id() else { return Ok(None) };
    match backups::get(conn, &Scope::All, &id.to_string()).await {
        Ok(backup) => Ok(Some(backup)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn tell(
    core: &Core,
    conn: &mut Conn,
    job: &Job,
    backup: &Backup,
    event: &'static str,
    percent: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let worker = match job.worker_id {
        Some(id) => workers::get(conn, id).await?,
        None => None,
    };
    let host = worker.map(|worker| worker.host).or_else(|| backup.host.clone());
    let host = host.as_deref().unwrap_or(&core.config.host);
    let about =
        About { event, host, request_id: job.request_id.as_deref(), traceparent: job.traceparent.as_deref(), percent };
    core.notifications.write(conn, backup, &about, now).await
}
