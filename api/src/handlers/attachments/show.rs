//! `GET /attachments/{id}`.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::ATTACHMENTS;
use crate::policy::rules;
use crate::views::attachment::detail;

/// Cinder has no rule of its own for it: who sees volumes sees how they are attached.
pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(ATTACHMENTS)?;
    call.require(rules::VOLUME_GET)?;
    let mut conn = call.app.database.read().await?;
    let attachment = db::attachments::get(&mut conn, &call.caller.scope(), call.id()).await?;
    Ok(Answer::ok(json!({"attachment": detail(&attachment)})))
}
