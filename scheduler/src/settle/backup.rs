//! What a job's end does to its backup's row.

use db::late_writes::{self, LateWrites};
use db::{Conn, Scope, backups, jobs, quotas};
use domain::backup::{BackupStatus, fail_reason};
use domain::job::{JobKind, Subject};
use domain::quota::Holding;
use domain::settle::{BackupEffect, Effects};
use domain::{BackupId, Result};

use super::{End, found, import, replay};

const DEFAULT_REASON: &str = "the job was cancelled";

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, effects: &Effects) -> Result<()> {
    let Some(id) = end.job.subject.backup_id() else { return Ok(()) };
    if end.job.kind == JobKind::BackupCreate && end.job.attempts > 0 {
        expect_late_writes(conn, end, id).await?;
    }
    match effects.backup {
        BackupEffect::Untouched => Ok(()),
        BackupEffect::Gone => gone(conn, end, id).await,
        BackupEffect::Becomes(status) => becomes(conn, end, id, status, effects.reason_to_backup).await,
    }
}

/// Only from the status that the job itself gave the backup: one that is being deleted meanwhile is not resurrected.
async fn becomes(conn: &mut Conn, end: &End<'_>, id: BackupId, to: BackupStatus, has_reason: bool) -> Result<()> {
    let from = match end.job.kind {
        JobKind::BackupCreate | JobKind::BackupImport => BackupStatus::Creating,
        JobKind::BackupRestore => BackupStatus::Restoring,
        _ => BackupStatus::Deleting,
    };
    let is_ours = !jobs::backup_superseded(conn, end.job).await?;
    if !is_ours || !backups::change_status(conn, id, &[from], to, end.now).await? {
        tracing::info!(job_id = %end.job.id, backup_id = %id, "backup is not {from} for this job any more; left as it is");
        return Ok(());
    }
    if has_reason {
        let reason = fail_reason(end.reason.unwrap_or(DEFAULT_REASON));
        return backups::set_fail_reason(conn, id, Some(&reason), end.now).await;
    }
    match &end.job.subject {
        Subject::BackupCreate { .. } => complete(conn, end, id).await,
        Subject::BackupImport { record, .. } => import::fill(conn, end, id, record).await,
        Subject::BackupRestore { volume_id, .. } => {
            backups::set_fail_reason(conn, id, None, end.now).await?;
            replay::restored(conn, end, id, *volume_id).await
        }
        _ => Ok(()),
    }
}

/// What its workers sent may arrive from now on, wherever it was held back.
async fn expect_late_writes(conn: &mut Conn, end: &End<'_>, id: BackupId) -> Result<()> {
    let Some(backup) = found(backups::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(()) };
    let (Some(container), Some(prefix)) = (backup.container, backup.service_metadata) else { return Ok(()) };
    let place = LateWrites {
        backup_id: id,
        project_id: backup.project_id,
        container,
        prefix,
        service: backup.service.unwrap_or_default(),
        size_gb: backup.size_gb,
        made: end.succeeded(),
        alone: end.succeeded() && end.job.attempts == 1,
        ended_at: end.now,
        due_at: end.now,
    };
    late_writes::expect(conn, &place).await
}

/// The size stays what was charged: the volume cannot have grown while it was `backing-up`, and a snapshot never does.
async fn complete(conn: &mut Conn, end: &End<'_>, id: BackupId) -> Result<()> {
    let Some(backup) = found(backups::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(()) };
    backups::complete(conn, id, end.report.object_count, backup.size_gb, end.now).await
}

/// The quota goes back to the backup's own project, whoever deleted it (contract §2.8).
async fn gone(conn: &mut Conn, end: &End<'_>, id: BackupId) -> Result<()> {
    let Some(backup) = found(backups::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(()) };
    backups::delete(conn, id, end.now).await?;
    quotas::release(conn, &backup.project_id, &Holding::backup(backup.size_gb)).await
}
