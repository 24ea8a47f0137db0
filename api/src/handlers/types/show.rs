//! `GET /types/{id}` and `GET /types/default`.

use db::types::extra_specs;
use serde_json::json;

use super::visible;
use crate::accept::kinds::find_type;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::volume_type::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPE_GET)?;
    let mut conn = call.app.database.read().await?;
    let kind = match call.id() {
        "default" => find_type(&mut conn, &call, None).await?,
        _ => visible(&mut conn, &call).await?,
    };
    let specs = extra_specs::get(&mut conn, &kind.id).await?;
    Ok(Answer::ok(json!({"volume_type": detail(&kind, &specs, call.sight_of_types())})))
}
