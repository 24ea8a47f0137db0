//! Snapshots as clients see them (contract §1.7).

use db::metadata::Pairs;
use domain::snapshot::{Snapshot, SnapshotStatus};
use serde_json::{Value, json};

use super::{Viewer, time};
use crate::microversion;

/// The entry of the short list. It has no links, and is otherwise the oldest microversion's detail.
pub(crate) fn summary(snapshot: &Snapshot, metadata: &Pairs) -> Value {
    json!({
        "id": snapshot.id.to_string(),
        "created_at": snapshot.created_at.iso(),
        "updated_at": time(snapshot.updated_at),
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id.to_string(),
        "status": snapshot.status.as_str(),
        "size": snapshot.size_gb,
        "metadata": metadata,
    })
}

/// What create and update answer.
pub(crate) fn detail(snapshot: &Snapshot, metadata: &Pairs, viewer: Viewer<'_>) -> Value {
    let mut view = summary(snapshot, metadata);
    if viewer.version >= microversion::GROUP_SNAPSHOT {
        view["group_snapshot_id"] = snapshot.group_snapshot_id.map(|id| id.to_string()).into();
    }
    if viewer.version >= microversion::SNAPSHOT_USER {
        view["user_id"] = snapshot.user_id.as_str().into();
    }
    if viewer.version >= microversion::CONSUMES_QUOTA {
        view["consumes_quota"] = true.into();
    }
    view
}

/// What show and the long list answer: [`detail`] and the attributes of Cinder's extension.
pub(crate) fn extended(snapshot: &Snapshot, metadata: &Pairs, viewer: Viewer<'_>) -> Value {
    let mut view = detail(snapshot, metadata, viewer);
    let by_status = if snapshot.status == SnapshotStatus::Available { "100%" } else { "0%" };
    view["os-extended-snapshot-attributes:progress"] = snapshot.progress.as_deref().unwrap_or(by_status).into();
    view["os-extended-snapshot-attributes:project_id"] = snapshot.project_id.as_str().into();
    view
}
