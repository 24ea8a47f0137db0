//! `GET /groups/{id}`.

use serde_json::json;

use super::{get, view, volumes_of};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_GROUP;
use crate::policy::rules;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_GROUP)?;
    call.require(rules::GROUP_GET)?;
    let mut conn = call.app.database.read().await?;
    let group = get(&mut conn, &call, call.id()).await?;
    let volumes = volumes_of(&mut conn, &call, &[group.id]).await?;
    Ok(Answer::ok(json!({"group": view(&call, &group, volumes.as_ref())})))
}
