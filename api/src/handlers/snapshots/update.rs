//! `PUT /snapshots/{id}` (contract §1.7).

use serde_json::json;

use crate::accept::snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::snapshot::detail;

const SNAPSHOT: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("display_name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("display_description", Rule::Description),
])
.any_of(&["name", "description", "display_name", "display_description"]);
pub(super) const BODY: Object = Object::closed(&[Field::required("snapshot", Rule::Object(&SNAPSHOT))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("snapshot").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_UPDATE_SNAPSHOT)?;
    let name = fields.change(&["name", "display_name"]);
    let description = fields.change(&["description", "display_description"]);
    let (snapshot, metadata) = snapshots::update(&call, call.id(), name, description).await?;
    Ok(Answer::ok(json!({"snapshot": detail(&snapshot, &metadata, call.viewer())})))
}
