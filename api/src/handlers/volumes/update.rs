//! `PUT /volumes/{id}` (contract §1.6.3).

use serde_json::json;

use super::whole::gather_one;
use crate::accept::volumes;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::STRICT_VOLUMES;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::volume::detail;

const FIELDS: &[Field] = &[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("display_name", Rule::TextOrNull { max: 255 }),
    Field::optional("display_description", Rule::Description),
    Field::optional("metadata", Rule::MetadataOrNull),
];
const VOLUME: Object = Object::closed(FIELDS);
const STRICT_VOLUME: Object =
    Object::closed(FIELDS).any_of(&["name", "description", "display_name", "display_description", "metadata"]);
pub(super) const BODY: Object = Object::closed(&[Field::required("volume", Rule::Object(&VOLUME))]);
pub(super) const STRICT_BODY: Object = Object::closed(&[Field::required("volume", Rule::Object(&STRICT_VOLUME))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let shape = if call.version >= STRICT_VOLUMES { &STRICT_BODY } else { &BODY };
    let fields = shape.check(&body, call.version)?.object("volume").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_UPDATE)?;
    let name = fields.change(&["name", "display_name"]);
    let description = fields.change(&["description", "display_description"]);
    volumes::update(&call, call.id(), name, description, fields.pairs("metadata")).await?;
    let mut conn = call.app.database.read().await?;
    let volume = db::volumes::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let whole = gather_one(&mut conn, volume).await?;
    Ok(Answer::ok(json!({"volume": detail(&whole, call.viewer())})))
}
