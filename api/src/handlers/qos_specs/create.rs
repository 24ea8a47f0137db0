//! `POST /qos-specs` → 200.

use super::parts;
use crate::accept::qos_specs;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, TEXT_MAX};
use crate::views::qos_specs::detail;

const SPECS: Object = Object::open(&[Field::required("name", Rule::Text { min: 1, max: usize::MAX })]);
pub(super) const BODY: Object = Object::closed(&[Field::required("qos_specs", Rule::Object(&SPECS))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("qos_specs").ok_or_else(Fault::malformed)?;
    call.require(rules::QOS_SPECS_MANAGE_CREATE)?;
    // Blanks around a name do not count towards its length.
    let name = fields.trimmed("name").unwrap_or_default();
    match name.chars().count() {
        0 => return Err(Fault::bad_request("The 'name' can not be empty.")),
        length if length > TEXT_MAX => {
            return Err(Fault::bad_request("The 'name' can not be greater than 255 characters."));
        }
        _ => {}
    }
    let (consumer, values) = parts(fields.iter().filter(|(key, _)| *key != "name"))?;
    let specs = qos_specs::create(&call, name, consumer, &values).await?;
    Ok(Answer::ok(detail(&specs, &values, &call.links)))
}
