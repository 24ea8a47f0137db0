//! `POST /group_snapshots` → 202.

use serde_json::json;

use crate::accept::group_snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::groups;
use crate::microversion::GROUP_SNAPSHOT;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group_snapshot::created;

const SNAPSHOT: Object = Object::closed(&[
    Field::required("group_id", Rule::Uuid),
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group_snapshot", Rule::Object(&SNAPSHOT))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group_snapshot").ok_or_else(Fault::malformed)?;
    let group = fields.text("group_id").unwrap_or_default();
    groups::get(&mut call.app.database.read().await?, &call, group).await?;
    call.require(rules::GROUP_CREATE_GROUP_SNAPSHOT)?;
    let (name, description) = (fields.trimmed("name"), fields.trimmed("description"));
    let whole = group_snapshots::create(&call, group, name, description).await?;
    Ok(Answer::accepted(json!({"group_snapshot": created(&whole)})))
}
