//! `GET /snapshots/{id}` (contract §1.7).

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::snapshot::extended;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_GET_SNAPSHOT)?;
    let mut conn = call.app.database.read().await?;
    let snapshot = db::snapshots::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let metadata = db::metadata::get(&mut conn, &snapshot.id.to_string()).await?;
    Ok(Answer::ok(json!({"snapshot": extended(&snapshot, &metadata, call.viewer())})))
}
