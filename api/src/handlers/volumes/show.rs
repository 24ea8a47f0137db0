//! `GET /volumes/{id}` (contract §1.6.2).

use serde_json::json;

use super::whole::gather_one;
use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;
use crate::views::volume::extended;

const POLICY: Policy = Policy::reader("volume:get");

pub(crate) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(POLICY)?;
    let mut conn = call.app.database.read().await?;
    let volume = db::volumes::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let whole = gather_one(&mut conn, volume).await?;
    Ok(Answer::ok(json!({"volume": extended(&whole, call.viewer())})))
}
