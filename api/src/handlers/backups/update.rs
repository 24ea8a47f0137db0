//! `PUT /backups/{id}` from 3.9 on (contract §1.5.4).

use serde_json::json;

use crate::accept::backups;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{BACKUP_METADATA, BACKUP_UPDATE};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::backup::summary;

const BACKUP: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("metadata", Rule::Metadata).since(BACKUP_METADATA),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("backup", Rule::Object(&BACKUP))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(BACKUP_UPDATE)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("backup").ok_or_else(Fault::malformed)?;
    call.require(rules::BACKUP_UPDATE)?;
    let (name, description) = (fields.change(&["name"]), fields.change(&["description"]));
    let backup = backups::update(&call, call.id(), name, description, fields.pairs("metadata")).await?;
    Ok(Answer::ok(json!({"backup": summary(&backup, call.viewer())})))
}
