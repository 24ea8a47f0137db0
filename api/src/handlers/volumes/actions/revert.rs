//! `revert` → 202, from 3.40 on.

use serde_json::Value;

use crate::accept::reverts;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_REVERT;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, python};

const REVERT: Object = Object::open(&[Field::optional("snapshot_id", Rule::Anything)]);
pub(crate) const BODY: Object = Object::closed(&[Field::required("revert", Rule::Object(&REVERT))]);

pub(crate) async fn revert(call: &Call, body: &Value) -> Result<Answer, Fault> {
    call.since(VOLUME_REVERT)?;
    let fields = BODY.check(body, call.version)?.object("revert").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_REVERT_TO_SNAPSHOT)?;
    let named = fields.value("snapshot_id").map_or_else(|| "None".to_owned(), python::text);
    reverts::revert(call, call.id(), &named).await?;
    Ok(Answer::accepted_silently())
}
