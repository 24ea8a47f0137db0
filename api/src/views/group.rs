//! Groups as clients see them (contract §1.10).

use domain::VolumeId;
use domain::group::Group;
use serde_json::{Value, json};

use super::Viewer;
use crate::microversion;

/// The entry of the short list, and what create answers.
pub(crate) fn summary(group: &Group) -> Value {
    json!({"id": group.id.to_string(), "name": group.name})
}

/// What show and the long list answer. `volumes` where they are asked for, `sees_project` for those who may know whose it is.
pub(crate) fn detail(group: &Group, volumes: Option<&[VolumeId]>, sees_project: bool, viewer: Viewer<'_>) -> Value {
    let mut view = older(group);
    view["group_type"] = group.group_type_id.to_string().into();
    if viewer.version >= microversion::GROUP_SNAPSHOT {
        view["group_snapshot_id"] = json!(group.group_snapshot_id.map(|id| id.to_string()));
        view["source_group_id"] = json!(group.source_group_id.map(|id| id.to_string()));
    }
    if let Some(volumes) = volumes {
        view["volumes"] = volumes.iter().map(ToString::to_string).collect();
    }
    if viewer.version >= microversion::GROUP_REPLICATION {
        view["replication_status"] = "disabled".into();
    }
    if sees_project && viewer.version >= microversion::GROUP_PROJECT {
        view["project_id"] = group.project_id.as_str().into();
    }
    view
}

/// What the older API shows of a consistency group.
pub(crate) fn older(group: &Group) -> Value {
    json!({
        "id": group.id.to_string(),
        "status": group.status.as_str(),
        "availability_zone": group.availability_zone,
        "created_at": group.created_at.iso(),
        "name": group.name,
        "description": group.description,
        "volume_types": group.volume_type_ids,
    })
}
