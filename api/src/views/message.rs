//! User messages as clients see them (contract §1.10).

use domain::message::Message;
use serde_json::{Value, json};

use super::Viewer;

pub(crate) fn detail(message: &Message, viewer: Viewer<'_>) -> Value {
    let id = message.id.to_string();
    json!({
        "id": id,
        "event_id": message.event_id,
        "user_message": message.text(),
        "message_level": message.level,
        "created_at": message.created_at.iso(),
        "guaranteed_until": message.expires_at.iso(),
        "request_id": message.request_id,
        "links": viewer.links.of("messages", &id),
        "resource_type": message.resource_type,
        "resource_uuid": message.resource_id,
    })
}
