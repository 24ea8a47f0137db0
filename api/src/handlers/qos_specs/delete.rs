//! `DELETE /qos-specs/{id}` → 202, with `?force=True` also while types obey them, and `PUT /qos-specs/{id}/delete_keys` → 202.

use crate::accept::qos_specs;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

pub(super) const KEYS: Object = Object::closed(&[Field::required("keys", Rule::Words)]);

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_DELETE)?;
    let force = call.parameters.switch("force")?;
    qos_specs::delete(&call, call.id(), force).await?;
    Ok(Answer::accepted_silently())
}

pub(super) async fn delete_keys(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = KEYS.check(&body, call.version)?;
    call.require(rules::QOS_SPECS_MANAGE_DELETE)?;
    let keys = fields.value("keys").and_then(|keys| keys.as_array()).into_iter().flatten();
    let keys: Vec<&str> = keys.filter_map(|key| key.as_str()).collect();
    qos_specs::delete_keys(&call, call.id(), &keys).await?;
    Ok(Answer::accepted_silently())
}
