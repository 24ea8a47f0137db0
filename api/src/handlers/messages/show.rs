//! `GET /messages/{id}`.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::MESSAGES;
use crate::policy::rules;
use crate::views::message::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(MESSAGES)?;
    call.require(rules::MESSAGE_GET)?;
    let mut conn = call.app.database.read().await?;
    let message = db::messages::get(&mut conn, &call.caller.scope(), call.id()).await?;
    Ok(Answer::ok(json!({"message": detail(&message, call.viewer())})))
}
