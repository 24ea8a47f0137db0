//! `GET /volumes/{id}` (contract §1.6.2).

use serde_json::json;

use super::whole::gather_one;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::volume::extended;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_GET)?;
    let mut conn = call.app.database.read().await?;
    let volume = db::volumes::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let whole = gather_one(&mut conn, volume).await?;
    Ok(Answer::ok(json!({"volume": extended(&whole, call.viewer())})))
}
