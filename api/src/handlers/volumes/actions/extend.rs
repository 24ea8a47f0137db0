//! `os-extend` → 202.

use serde_json::Value;

use crate::accept::volumes;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::EXTEND_IN_USE;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const EXTEND: Object = Object::closed(&[Field::required("new_size", Rule::Size)]);
pub(crate) const BODY: Object = Object::closed(&[Field::required("os-extend", Rule::Object(&EXTEND))]);

pub(crate) async fn extend(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = BODY.check(body, call.version)?.object("os-extend").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_EXTEND)?;
    let new_size_gb = fields.integer("new_size").ok_or_else(Fault::malformed)?;
    volumes::extend(call, call.id(), new_size_gb, call.version >= EXTEND_IN_USE).await?;
    Ok(Answer::accepted_silently())
}
