//! Group snapshots as clients see them (contract §1.10).

use domain::group_snapshot::GroupSnapshot;
use serde_json::{Value, json};

use super::Viewer;
use crate::microversion;

/// The entry of the short list.
pub(crate) fn summary(whole: &GroupSnapshot) -> Value {
    json!({"id": whole.id.to_string(), "name": whole.name})
}

/// What create answers.
pub(crate) fn created(whole: &GroupSnapshot) -> Value {
    json!({"id": whole.id.to_string(), "name": whole.name, "group_type_id": whole.group_type_id.to_string()})
}

/// What show and the long list answer; `sees_project` for those who may know whose it is.
pub(crate) fn detail(whole: &GroupSnapshot, sees_project: bool, viewer: Viewer<'_>) -> Value {
    let mut view = json!({
        "id": whole.id.to_string(),
        "group_id": whole.group_id.to_string(),
        "group_type_id": whole.group_type_id.to_string(),
        "status": whole.status.as_str(),
        "created_at": whole.created_at.iso(),
        "name": whole.name,
        "description": whole.description,
    });
    if sees_project && viewer.version >= microversion::GROUP_PROJECT {
        view["project_id"] = whole.project_id.as_str().into();
    }
    view
}

/// What the older API shows of a consistency group's snapshot.
pub(crate) fn older(whole: &GroupSnapshot) -> Value {
    json!({
        "id": whole.id.to_string(),
        "consistencygroup_id": whole.group_id.to_string(),
        "status": whole.status.as_str(),
        "created_at": whole.created_at.iso(),
        "name": whole.name,
        "description": whole.description,
    })
}
