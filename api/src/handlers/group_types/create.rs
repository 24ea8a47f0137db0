//! `POST /group_types` → 202.

use serde_json::json;

use super::sees_specs;
use crate::accept::group_types::{self, NewGroupType};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group_type::detail;

const KIND: Object = Object::closed(&[
    Field::required("name", Rule::Text { min: 1, max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("group_specs", Rule::MetadataOrNull),
    Field::optional("is_public", Rule::Boolean),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group_type", Rule::Object(&KIND))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group_type").ok_or_else(Fault::malformed)?;
    call.require(rules::GROUP_GROUP_TYPES_CREATE)?;
    let name = fields.trimmed("name").filter(|name| !name.is_empty());
    let wish = NewGroupType {
        name: name.ok_or_else(|| Fault::bad_request("Group type name can not be empty."))?,
        description: fields.trimmed("description"),
        is_public: fields.boolean("is_public").unwrap_or(true),
        specs: fields.pairs("group_specs").unwrap_or_default(),
    };
    let specs = wish.specs.clone();
    let kind = group_types::create(&call, wish).await?;
    Ok(Answer::accepted(json!({"group_type": detail(&kind, sees_specs(&call).then_some(&specs))})))
}
