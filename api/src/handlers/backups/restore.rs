//! `POST /backups/{id}/restore` → 202 (contract §1.5.6). Unlike Cinder's it does not wait for a new volume.

use crate::accept::restores;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::backup;

const RESTORE: Object = Object::closed(&[
    Field::optional("volume_id", Rule::UuidOrNull),
    Field::optional("name", Rule::TextOrNull { max: 255 }),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("restore", Rule::Object(&RESTORE))]);

pub(super) async fn restore(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("restore").ok_or_else(Fault::malformed)?;
    call.require(rules::BACKUP_RESTORE)?;
    let name = fields.trimmed("name").filter(|name| !name.is_empty());
    let (backup, volume) = restores::restore(&call, call.id(), fields.text("volume_id"), name).await?;
    Ok(Answer::accepted(backup::restore(&backup, volume.id, volume.name.as_deref())))
}
