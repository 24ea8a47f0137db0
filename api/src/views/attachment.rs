//! Attachments as clients see them (contract §1.8). Where a time is missing stands an empty text.

use domain::Timestamp;
use domain::attachment::Attachment;
use serde_json::{Value, json};

/// The entry of the short list.
pub(crate) fn summary(attachment: &Attachment) -> Value {
    json!({
        "id": attachment.id.to_string(),
        "status": attachment.attach_status.as_str(),
        "instance": attachment.instance_id,
        "volume_id": attachment.volume_id.to_string(),
    })
}

pub(crate) fn detail(attachment: &Attachment) -> Value {
    let mut view = summary(attachment);
    view["attached_at"] = attachment.attached_at.map(Timestamp::iso).unwrap_or_default().into();
    // A detached one is not there any more.
    view["detached_at"] = "".into();
    view["attach_mode"] = attachment.attach_mode.as_str().into();
    let info = attachment.connection_info.as_deref().and_then(|info| serde_json::from_str(info).ok());
    view["connection_info"] = info.unwrap_or_else(|| json!({}));
    view
}
