//! `GET /group_types/{id}` and `GET /group_types/default`.

use serde_json::json;

use super::{sees_specs, visible};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::views::group_type::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let mut conn = call.app.database.read().await?;
    let kind = match call.id() {
        "default" => {
            let name = call.app.config.default_group_type.as_deref();
            let kind = match name {
                Some(name) => db::group_types::find(&mut conn, name).await?,
                None => None,
            };
            kind.ok_or_else(|| Fault::not_found("Default group type can not be found."))?
        }
        id => visible(&mut conn, &call, id).await?,
    };
    let specs = db::metadata::get(&mut conn, &kind.id.to_string()).await?;
    Ok(Answer::ok(json!({"group_type": detail(&kind, sees_specs(&call).then_some(&specs))})))
}
