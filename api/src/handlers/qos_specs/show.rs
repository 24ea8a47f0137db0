//! `GET /qos-specs/{id}`.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::qos_specs::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_GET)?;
    let mut conn = call.app.database.read().await?;
    let specs = db::qos_specs::get(&mut conn, call.id()).await?;
    let values = db::qos_specs::values(&mut conn, &specs.id).await?;
    Ok(Answer::ok(detail(&specs, &values, &call.links)))
}
