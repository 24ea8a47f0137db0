//! Records of backups that another Cinder made, or this one before it lost its rows (contract §1.5.8, §2.7).
//!
//! What the record says is checked here as far as it can be without the store. Until a worker has seen the objects, the row
//! is a placeholder: whoever deletes it deletes no objects, and no backup can build on it.

use db::{Conn, backups, quotas, snapshots, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::quota::Holding;
use domain::{BackupId, Error, Kind, Result, VolumeId};
use format::BackupRecord;

use super::{commit, enqueue, metadata};
use crate::call::Call;

const EXISTS: &str = "Invalid backup: Backup already exists in database.";
/// What a placeholder says of its volume, as in Cinder.
const NO_VOLUME: VolumeId = VolumeId::from_uuid(uuid::Uuid::nil());

pub(crate) async fn import(call: &Call, service: &str, record: &str) -> Result<Backup> {
    let described = BackupRecord::decode(record)?;
    metadata::check(&described.metadata)?;
    let mut tx = call.app.database.begin("accept backup import").await?;
    check_new(&mut tx, described.id).await?;
    let project_id = &call.caller.project_id;
    quotas::charge(&mut tx, project_id, &call.app.default_limits(), &Holding::backup(described.size_gb)).await?;
    let backup = placeholder(call, &described);
    backups::insert(&mut tx, &backup).await.map_err(|error| match error.kind() {
        Kind::Conflict => Error::invalid(EXISTS).with_source(error),
        _ => error,
    })?;
    let (service, record) = (service.to_owned(), record.to_owned());
    let subject = Subject::BackupImport { backup_id: backup.id, service, record };
    enqueue(&mut tx, call, subject, project_id, None).await?;
    commit(call, tx).await?;
    Ok(backup)
}

/// In no project there may be such a backup, a deleted one's row excepted. What else has ids shares its table of metadata
/// and its jobs with backups.
async fn check_new(conn: &mut Conn, id: BackupId) -> Result<()> {
    if backups::exists_any(conn, id).await? == Some(false) {
        return Err(Error::invalid(EXISTS));
    }
    let text = id.to_string();
    let taken = is_there(volumes::get(conn, &db::Scope::All, &text).await)?
        || is_there(snapshots::get(conn, &db::Scope::All, &text).await)?
        || !db::metadata::get(conn, &text).await?.is_empty();
    if taken {
        return Err(Error::invalid("Invalid backup: The record's id is another resource's."));
    }
    Ok(())
}

fn is_there<T>(found: Result<T>) -> Result<bool> {
    match found {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn placeholder(call: &Call, record: &BackupRecord) -> Backup {
    Backup {
        id: record.id,
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        volume_id: NO_VOLUME,
        snapshot_id: None,
        parent_id: None,
        name: None,
        description: None,
        container: None,
        status: BackupStatus::Creating,
        fail_reason: None,
        // What was charged for.
        size_gb: record.size_gb,
        object_count: 0,
        availability_zone: None,
        host: None,
        service: None,
        service_metadata: None,
        data_timestamp: call.now,
        restore_volume_id: None,
        encryption_key_id: None,
        created_at: call.now,
        updated_at: None,
        dependent_backups: 0,
    }
}
