//! `POST /backups/import_record` → 201 (contract §1.5.8), in every microversion.

use serde_json::json;

use crate::accept::imports;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::backup::summary;

const RECORD: Object = Object::closed(&[
    Field::required("backup_service", Rule::Text { min: 0, max: 255 }),
    Field::required("backup_url", Rule::Base64),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("backup-record", Rule::Object(&RECORD))]);

pub(super) async fn import(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("backup-record").ok_or_else(Fault::malformed)?;
    call.require(rules::BACKUP_BACKUP_IMPORT)?;
    let (service, record) = (fields.text("backup_service"), fields.text("backup_url"));
    let (service, record) = service.zip(record).ok_or_else(Fault::malformed)?;
    let backup = imports::import(&call, service, record).await?;
    Ok(Answer::created(json!({"backup": summary(&backup, call.viewer())})))
}
