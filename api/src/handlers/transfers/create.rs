//! `POST /volume-transfers` → 202: the one answer that shows the key.

use serde_json::json;

use crate::accept::transfers::{self, NewTransfer};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{TRANSFER_ENCRYPTED, TRANSFER_SNAPSHOTS};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::transfer::created;

const TRANSFER: Object = Object::closed(&[
    Field::required("volume_id", Rule::Uuid),
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("no_snapshots", Rule::Boolean).since(TRANSFER_SNAPSHOTS),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("transfer", Rule::Object(&TRANSFER))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("transfer").ok_or_else(Fault::malformed)?;
    let name = fields.trimmed("name");
    if name.as_deref() == Some("") {
        return Err(Fault::bad_request("An invalid 'name' value was provided. The 'name' can not be empty."));
    }
    call.require(rules::VOLUME_CREATE_TRANSFER)?;
    let wish = NewTransfer {
        volume_id: fields.text("volume_id").unwrap_or_default().to_owned(),
        name,
        no_snapshots: fields.boolean("no_snapshots").unwrap_or(false),
        encrypted_allowed: call.version >= TRANSFER_ENCRYPTED,
    };
    let (transfer, key) = transfers::create(&call, wish).await?;
    Ok(Answer::accepted(json!({"transfer": created(&transfer, &key, call.viewer())})))
}
