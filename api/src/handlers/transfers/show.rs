//! `GET /volume-transfers/{id}`.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::transfer::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_GET_TRANSFER)?;
    let mut conn = call.app.database.read().await?;
    let transfer = db::transfers::get(&mut conn, &call.caller.scope(), call.id()).await?;
    Ok(Answer::ok(json!({"transfer": detail(&transfer, call.viewer())})))
}
