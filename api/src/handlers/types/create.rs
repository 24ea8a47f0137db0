//! `POST /types` → 200.

use serde_json::json;

use crate::accept::types::{self, NewType};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, specs};
use crate::views::volume_type::created;

const IS_PUBLIC: &str = "os-volume-type-access:is_public";
const KIND: Object = Object::closed(&[
    Field::required("name", Rule::Name),
    Field::optional("description", Rule::Description),
    Field::optional("extra_specs", Rule::Specs),
    Field::optional(IS_PUBLIC, Rule::Boolean),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("volume_type", Rule::Object(&KIND))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("volume_type").ok_or_else(Fault::malformed)?;
    call.require(rules::TYPE_CREATE)?;
    let wish = NewType {
        name: fields.trimmed("name").unwrap_or_default(),
        description: fields.trimmed("description"),
        is_public: fields.boolean(IS_PUBLIC).unwrap_or(true),
        specs: fields.value("extra_specs").map(specs).unwrap_or_default(),
    };
    let specs = wish.specs.clone();
    let kind = types::create(&call, wish).await?;
    Ok(Answer::ok(json!({"volume_type": created(&kind, &specs, call.sight_of_types())})))
}
