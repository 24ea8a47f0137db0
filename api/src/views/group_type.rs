//! Group types as clients see them (contract §1.10).

use db::metadata::Pairs;
use domain::group_type::GroupType;
use serde_json::{Value, json};

/// `specs` only for those who may see them.
pub(crate) fn detail(kind: &GroupType, specs: Option<&Pairs>) -> Value {
    let mut view = json!({
        "id": kind.id.to_string(),
        "name": kind.name,
        "description": kind.description,
        "is_public": kind.is_public,
    });
    if let Some(specs) = specs {
        view["group_specs"] = json!(specs);
    }
    view
}
