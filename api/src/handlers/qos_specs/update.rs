//! `PUT /qos-specs/{id}`: adds and overwrites, and answers what was sent.

use serde_json::json;

use super::parts;
use crate::accept::qos_specs;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, specs};

pub(super) const BODY: Object = Object::closed(&[Field::required("qos_specs", Rule::Specs)]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?;
    call.require(rules::QOS_SPECS_MANAGE_UPDATE)?;
    let given = fields.object("qos_specs").ok_or_else(Fault::malformed)?;
    let (consumer, values) = parts(given.iter())?;
    qos_specs::update(&call, call.id(), consumer.as_deref(), &values).await?;
    Ok(Answer::ok(json!({"qos_specs": fields.value("qos_specs").map(specs)})))
}
