//! `POST /os-snapshot-manage` and from 3.8 on `POST /manageable_snapshots` → 202: adopts an existing file.

use serde_json::json;

use crate::accept::snapshots::{self, NewSnapshot};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::source;
use crate::microversion::MANAGEABLE;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::snapshot::detail;

const SNAPSHOT: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("metadata", Rule::MetadataOrNull),
    Field::required("volume_id", Rule::Uuid),
    Field::required("ref", Rule::Anything),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("snapshot", Rule::Object(&SNAPSHOT))]);

pub(super) async fn manage_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    manage(call).await
}

pub(super) async fn manage(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("snapshot").ok_or_else(Fault::malformed)?;
    call.require(rules::SNAPSHOT_EXTENSION_SNAPSHOT_MANAGE)?;
    let wish = NewSnapshot {
        volume_id: fields.text("volume_id").unwrap_or_default().to_owned(),
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        metadata: fields.pairs("metadata").unwrap_or_default(),
        in_use_allowed: true,
        source: Some(source::read(fields)?),
    };
    let metadata = wish.metadata.clone();
    let snapshot = snapshots::create(&call, wish).await?;
    Ok(Answer::accepted(json!({"snapshot": detail(&snapshot, &metadata, call.viewer())})))
}
