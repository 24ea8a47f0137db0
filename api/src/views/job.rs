//! Jobs as clients see them: what is being done, and how far it is.

use domain::Timestamp;
use domain::job::Job;
use serde_json::{Value, json};

pub(crate) fn detail(job: &Job, now: Timestamp) -> Value {
    let subject = &job.subject;
    let (bytes_per_second, eta_seconds) = job.pace(now);
    json!({
        "id": job.id.to_string(),
        "kind": job.kind.as_str(),
        "state": job.state.as_str(),
        "cancel_requested": job.cancel_requested,
        "project_id": job.project_id,
        "volume_id": subject.volume_id().map(|id| id.to_string()),
        "snapshot_id": subject.snapshot_id().map(|id| id.to_string()),
        "backup_id": subject.backup_id().map(|id| id.to_string()),
        "attempts": job.attempts,
        "done_bytes": job.progress.done_bytes,
        "total_bytes": job.progress.total_bytes,
        "percent": job.percent(),
        "bytes_per_second": bytes_per_second,
        "eta_seconds": eta_seconds,
        "error": job.error,
        "created_at": job.created_at.iso(),
        "updated_at": job.updated_at.iso(),
    })
}
