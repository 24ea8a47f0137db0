//! `PUT /types/{id}`.

use serde_json::json;

use crate::accept::types::{self, Change};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::volume_type::updated;

const KIND: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("is_public", Rule::Boolean),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("volume_type", Rule::Object(&KIND))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("volume_type").ok_or_else(Fault::malformed)?;
    call.require(rules::TYPE_UPDATE)?;
    let change = Change {
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        is_public: fields.boolean("is_public"),
    };
    if change.name.as_deref() == Some("") {
        return Err(Fault::bad_request("Volume type name can not be empty."));
    }
    if change.name.is_none() && change.description.is_none() && change.is_public.is_none() {
        let message = "Specify volume type name, description, is_public or a combination thereof.";
        return Err(Fault::bad_request(message));
    }
    let (kind, specs) = types::update(&call, call.id(), change).await?;
    Ok(Answer::ok(json!({"volume_type": updated(&kind, &specs, call.sight_of_types())})))
}
