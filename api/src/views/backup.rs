//! Backups as clients see them (contract §1.5.2).

use db::metadata::Pairs;
use domain::VolumeId;
use domain::backup::Backup;
use serde_json::{Value, json};

use super::{Viewer, time};
use crate::microversion;

/// The key of those who have no key manager; nobody is told.
const FIXED_KEY_ID: &str = "00000000-0000-0000-0000-000000000000";

/// `id`, `name` and `links`: all that create, update and the short list answer.
pub(crate) fn summary(backup: &Backup, viewer: Viewer<'_>) -> Value {
    let id = backup.id.to_string();
    json!({"id": id, "name": backup.name, "links": viewer.links.of("backups", &id)})
}

pub(crate) fn detail(backup: &Backup, metadata: &Pairs, viewer: Viewer<'_>) -> Value {
    let id = backup.id.to_string();
    let mut view = json!({
        "id": id,
        "status": backup.status.as_str(),
        "size": backup.size_gb,
        "object_count": backup.object_count,
        "availability_zone": backup.availability_zone,
        "container": backup.container,
        "created_at": backup.created_at.iso(),
        "updated_at": time(backup.updated_at),
        "name": backup.name,
        "description": backup.description,
        "fail_reason": backup.fail_reason,
        "volume_id": backup.volume_id.to_string(),
        "links": viewer.links.of("backups", &id),
        "is_incremental": backup.is_incremental(),
        "has_dependent_backups": backup.dependent_backups > 0,
        "snapshot_id": backup.snapshot_id.map(|id| id.to_string()),
        "data_timestamp": backup.data_timestamp.iso(),
    });
    if viewer.version >= microversion::BACKUP_METADATA {
        view["metadata"] = json!(metadata);
    }
    if viewer.is_admin && viewer.version >= microversion::BACKUP_PROJECT {
        view["os-backup-project-attr:project_id"] = backup.project_id.as_str().into();
    }
    if viewer.is_admin && viewer.version >= microversion::BACKUP_USER {
        view["user_id"] = backup.user_id.as_str().into();
    }
    let key = backup.encryption_key_id.as_deref().filter(|key| *key != FIXED_KEY_ID);
    if let Some(key) = key.filter(|_| viewer.version >= microversion::BACKUP_ENCRYPTION_KEY) {
        view["encryption_key_id"] = key.into();
    }
    view
}

/// A record and the driver that can read it.
pub(crate) fn record(service: &str, url: &str) -> Value {
    json!({"backup-record": {"backup_service": service, "backup_url": url}})
}

/// The answer to a restore. `volume_name` is the target's name as it is now.
pub(crate) fn restore(backup: &Backup, volume_id: VolumeId, volume_name: Option<&str>) -> Value {
    json!({"restore": {
        "backup_id": backup.id.to_string(),
        "volume_id": volume_id.to_string(),
        "volume_name": volume_name,
    }})
}
