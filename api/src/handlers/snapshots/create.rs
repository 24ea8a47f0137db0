//! `POST /snapshots` → 202 (contract §1.7).

use serde_json::json;

use crate::accept::snapshots::{self, NewSnapshot};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::SNAPSHOT_IN_USE;
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule};
use crate::views::snapshot::detail;

const SNAPSHOT: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("display_name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("display_description", Rule::Description),
    Field::required("volume_id", Rule::UuidOrNull),
    Field::optional("force", Rule::Boolean),
    Field::optional("metadata", Rule::MetadataOrNull),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("snapshot", Rule::Object(&SNAPSHOT))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("snapshot").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_CREATE_SNAPSHOT)?;
    let wish = NewSnapshot {
        volume_id: fields.text("volume_id").unwrap_or("None").to_owned(),
        name: fields.change(&["name", "display_name"]).flatten(),
        description: fields.change(&["description", "display_description"]).flatten(),
        metadata: fields.pairs("metadata").unwrap_or_default(),
        in_use_allowed: in_use_allowed(&call, fields)?,
        source: None,
    };
    let metadata = wish.metadata.clone();
    let snapshot = snapshots::create(&call, wish).await?;
    Ok(Answer::accepted(json!({"snapshot": detail(&snapshot, &metadata, call.viewer())})))
}

/// `force`, which from 3.66 on goes without saying.
fn in_use_allowed(call: &Call, fields: Fields<'_>) -> Result<bool, Fault> {
    let force = fields.boolean("force");
    if call.version < SNAPSHOT_IN_USE {
        return Ok(force.unwrap_or(false));
    }
    if force == Some(false) {
        // Blanks and spelling are Cinder's.
        return Err(Fault::bad_request(
            "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when \
             the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
        ));
    }
    Ok(true)
}
