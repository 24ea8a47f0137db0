//! `GET /group_snapshots/{id}`.

use serde_json::json;

use super::{get, sees_project};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_SNAPSHOT;
use crate::policy::rules;
use crate::views::group_snapshot::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    call.require(rules::GROUP_GET_GROUP_SNAPSHOT)?;
    let whole = get(&mut call.app.database.read().await?, &call, call.id()).await?;
    Ok(Answer::ok(json!({"group_snapshot": detail(&whole, sees_project(&call), call.viewer())})))
}
