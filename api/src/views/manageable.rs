//! What lies in a pool and could be managed, as administrators see it.

use db::pool_files::PoolFile;
use domain::{SnapshotId, VolumeId};
use serde_json::{Value, json};

/// A file, and who it belongs to by now.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) file: PoolFile,
    /// The volume or snapshot that it is the file of.
    pub(crate) owner: Option<Owner>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Volume(VolumeId),
    Snapshot { id: SnapshotId, of: VolumeId },
}

impl Candidate {
    fn owner_id(&self) -> Option<String> {
        match self.owner? {
            Owner::Volume(id) => Some(id.to_string()),
            Owner::Snapshot { id, .. } => Some(id.to_string()),
        }
    }

    fn reason(&self) -> Option<&str> {
        if self.owner.is_some() { Some("already managed") } else { self.file.refusal.as_deref() }
    }
}

/// What a request to manage it gives as `ref`.
pub(crate) fn reference(name: &str) -> Value {
    json!({"source-name": name})
}

/// The entry of the short list.
pub(crate) fn summary(candidate: &Candidate) -> Value {
    const GIB: i64 = 1 << 30;
    let file = &candidate.file;
    let mut view = json!({
        "reference": reference(&file.name),
        "size": file.size_bytes / GIB + i64::from(file.size_bytes % GIB > 0),
        "safe_to_manage": candidate.reason().is_none(),
    });
    if file.is_snapshot {
        // What a snapshot was made of is known while it is managed.
        view["source_reference"] = match candidate.owner {
            Some(Owner::Snapshot { of, .. }) => reference(&format!("volume-{of}")),
            _ => json!({}),
        };
    }
    view
}

/// The entry of the long list.
pub(crate) fn detail(candidate: &Candidate) -> Value {
    let mut view = summary(candidate);
    view["reason_not_safe"] = json!(candidate.reason());
    view["cinder_id"] = json!(candidate.owner_id());
    view["extra_info"] = Value::Null;
    view
}
