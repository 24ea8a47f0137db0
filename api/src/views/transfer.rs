//! Transfers of volumes as clients see them.

use domain::transfer::Transfer;
use serde_json::{Value, json};

use super::Viewer;
use crate::microversion::{TRANSFER_HISTORY, TRANSFER_SNAPSHOTS};

/// The entry of the short list, and what accepting answers.
pub(crate) fn summary(transfer: &Transfer, viewer: Viewer<'_>) -> Value {
    let id = transfer.id.to_string();
    json!({
        "id": id,
        "volume_id": transfer.volume_id.to_string(),
        "name": transfer.name,
        // Under the older name, by whichever it was asked for.
        "links": viewer.links.of("os-volume-transfer", &id),
    })
}

pub(crate) fn detail(transfer: &Transfer, viewer: Viewer<'_>) -> Value {
    let mut view = summary(transfer, viewer);
    view["created_at"] = transfer.created_at.iso().into();
    if viewer.version >= TRANSFER_SNAPSHOTS {
        view["no_snapshots"] = transfer.no_snapshots.into();
    }
    if viewer.version >= TRANSFER_HISTORY {
        // An accepted one is not there any more.
        view["accepted"] = false.into();
        view["source_project_id"] = transfer.project_id.as_str().into();
        view["destination_project_id"] = Value::Null;
    }
    view
}

/// What creating answers, once.
pub(crate) fn created(transfer: &Transfer, key: &str, viewer: Viewer<'_>) -> Value {
    let mut view = detail(transfer, viewer);
    view["auth_key"] = key.into();
    view
}
