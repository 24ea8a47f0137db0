//! An imported record becomes a backup (contract §2.7), once its worker has seen that the objects are there.

use db::{Conn, Scope, backups, metadata, sharing, workers};
use domain::backup::Backup;
use domain::job::{Job, Subject};
use domain::{BackupId, Error, Result};
use format::BackupRecord;

use super::End;

/// The backup that the record describes, in the place of its placeholder.
pub(crate) fn described(placeholder: Backup, record: &str) -> Result<Backup> {
    let record = BackupRecord::decode(record)?;
    record.check_complete()?;
    let created_at = record.created_at.unwrap_or(placeholder.created_at);
    Ok(Backup {
        volume_id: record.volume_id.unwrap_or(placeholder.volume_id),
        snapshot_id: record.snapshot_id,
        parent_id: record.parent_id,
        name: record.name,
        description: record.description,
        container: record.container,
        service_metadata: record.service_metadata,
        object_count: record.object_count,
        data_timestamp: record.data_timestamp.unwrap_or(created_at),
        restore_volume_id: record.restore_volume_id,
        encryption_key_id: record.encryption_key_id,
        created_at,
        ..placeholder
    })
}

/// Why the record becomes no backup although its objects were there; `None` for jobs of other kinds too. What this looks at
/// stays locked.
pub(super) async fn refusal(conn: &mut Conn, job: &Job) -> Result<Option<String>> {
    let Subject::BackupImport { backup_id, record, .. } = &job.subject else { return Ok(None) };
    let record = BackupRecord::decode(record)?;
    if let (Some(container), Some(prefix)) = (&record.container, &record.service_metadata)
        && sharing::is_going(conn, *backup_id, container, prefix, job.created_at).await?
    {
        return Ok(Some("The backup's objects are being deleted with another backup that has the same.".to_owned()));
    }
    match record.parent_id {
        Some(parent) if backups::is_ancestor(conn, *backup_id, parent).await? => {
            Ok(Some(format!("The backup would be its own ancestor: its parent {parent} builds on it.")))
        }
        _ => Ok(None),
    }
}

/// Writes what the record says. The backup is the importing worker's from now on.
pub(super) async fn fill(conn: &mut Conn, end: &End<'_>, id: BackupId, record: &str) -> Result<()> {
    let placeholder = backups::get(conn, &Scope::All, &id.to_string()).await?;
    let worker = match end.job.worker_id {
        Some(worker) => workers::get(conn, worker).await?,
        None => None,
    };
    let importer = worker.ok_or_else(|| Error::unavailable("The importing worker is not registered any more."))?;
    let backup = Backup {
        host: Some(importer.host),
        availability_zone: Some(importer.availability_zone),
        service: Some(importer.backup_driver),
        ..described(placeholder, record)?
    };
    metadata::replace(conn, &id.to_string(), &BackupRecord::decode(record)?.metadata).await?;
    backups::fill(conn, &backup, end.now).await
}
