//! `POST /groups` → 202.

use serde_json::{Value, json};

use super::refuse_older;
use crate::accept::groups::{self, NewGroup};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_GROUP;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group::summary;

const GROUP: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::required("group_type", Rule::Text { min: 1, max: 255 }),
    Field::required("volume_types", Rule::Words),
    Field::optional("availability_zone", Rule::TextOrNull { max: 255 }),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group", Rule::Object(&GROUP))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_GROUP)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group").ok_or_else(Fault::malformed)?;
    let types: Vec<_> = fields.value("volume_types").and_then(Value::as_array).into_iter().flatten().collect();
    if types.is_empty() {
        let message = "Invalid input for field/attribute volume_types. Value: []. [] is too short";
        return Err(Fault::bad_request(message));
    }
    let kind = groups::find_type(&call, fields.text("group_type").unwrap_or_default()).await?;
    refuse_older(&mut call.app.database.read().await?, kind.id, "group can only be operated by CG APIs").await?;
    call.require(rules::GROUP_CREATE)?;
    let wish = NewGroup {
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        volume_types: types.into_iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
        availability_zone: fields.text("availability_zone").map(str::to_owned),
    };
    let group = groups::create(&call, wish, &kind).await?;
    Ok(Answer::accepted(json!({"group": summary(&group)})))
}
