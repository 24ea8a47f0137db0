//! `PUT /group_types/{id}`.

use serde_json::json;

use super::sees_specs;
use crate::accept::group_types::{self, Change};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group_type::detail;

const KIND: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("is_public", Rule::Boolean),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group_type", Rule::Object(&KIND))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group_type").ok_or_else(Fault::malformed)?;
    call.require(rules::GROUP_GROUP_TYPES_UPDATE)?;
    let change = Change {
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        is_public: fields.boolean("is_public"),
    };
    if change.name.as_deref() == Some("") {
        return Err(Fault::bad_request("Group type name can not be empty."));
    }
    if change.name.is_none() && change.description.is_none() && change.is_public.is_none() {
        return Err(Fault::bad_request("Specify group type name, description or a combination thereof."));
    }
    let (kind, specs) = group_types::update(&call, call.id(), change).await?;
    Ok(Answer::ok(json!({"group_type": detail(&kind, sees_specs(&call).then_some(&specs))})))
}
