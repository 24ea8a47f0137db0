//! `DELETE /attachments/{id}` → 200 with what the volume is attached to still.

use serde_json::{Value, json};

use crate::accept::attachments;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::ATTACHMENTS;
use crate::policy::rules;
use crate::views::attachment::summary;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.since(ATTACHMENTS)?;
    call.require(rules::VOLUME_ATTACHMENT_DELETE)?;
    let left: Vec<Value> = attachments::delete(&call, call.id()).await?.iter().map(summary).collect();
    Ok(Answer::ok(json!({"attachments": left})))
}
