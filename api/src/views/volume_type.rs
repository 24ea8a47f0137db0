//! Volume types as clients see them (contract §1.10).

use db::types::VolumeType;
use serde_json::{Value, json};

use super::Viewer;

pub(crate) fn detail(kind: &VolumeType, viewer: Viewer<'_>) -> Value {
    let mut view = json!({
        "id": kind.id,
        "name": kind.name,
        "is_public": kind.is_public,
        "description": kind.description,
        "extra_specs": {},
        "os-volume-type-access:is_public": kind.is_public,
    });
    if viewer.is_admin {
        view["qos_specs_id"] = Value::Null;
    }
    view
}
