//! `PUT /group_snapshots/{id}`, which Cinder has a rule and clients have a call for.

use serde_json::json;

use super::{get, sees_project};
use crate::accept::group_snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_SNAPSHOT;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group_snapshot::detail;

const SNAPSHOT: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
])
.any_of(&["name", "description"]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group_snapshot", Rule::Object(&SNAPSHOT))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group_snapshot").ok_or_else(Fault::malformed)?;
    get(&mut call.app.database.read().await?, &call, call.id()).await?;
    call.require(rules::GROUP_UPDATE_GROUP_SNAPSHOT)?;
    let (name, description) = (fields.change(&["name"]), fields.change(&["description"]));
    let whole = group_snapshots::update(&call, call.id(), name, description).await?;
    Ok(Answer::ok(json!({"group_snapshot": detail(&whole, sees_project(&call), call.viewer())})))
}
