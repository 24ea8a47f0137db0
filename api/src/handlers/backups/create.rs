//! `POST /backups` → 202 (contract §1.5.1).

use serde_json::json;

use crate::accept::backups::{self, NewBackup};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{BACKUP_METADATA, BACKUP_ZONE};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::backup::summary;

const BACKUP: Object = Object::closed(&[
    Field::required("volume_id", Rule::Uuid),
    Field::optional("container", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("incremental", Rule::Boolean),
    Field::optional("force", Rule::Boolean),
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("snapshot_id", Rule::UuidOrNull),
    Field::optional("metadata", Rule::MetadataOrNull).since(BACKUP_METADATA),
    Field::optional("availability_zone", Rule::TextOrNull { max: 255 }).since(BACKUP_ZONE),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("backup", Rule::Object(&BACKUP))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("backup").ok_or_else(Fault::malformed)?;
    let text = |name| fields.text(name).map(str::to_owned);
    let wish = NewBackup {
        volume_id: text("volume_id").ok_or_else(Fault::malformed)?,
        snapshot_id: text("snapshot_id"),
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        // An empty container is none, as in Cinder.
        container: text("container").filter(|container| !container.is_empty()),
        availability_zone: text("availability_zone").filter(|zone| !zone.is_empty()),
        metadata: fields.pairs("metadata").unwrap_or_default(),
        incremental: fields.boolean("incremental").unwrap_or(false),
        force: fields.boolean("force").unwrap_or(false),
    };
    call.require(rules::BACKUP_CREATE)?;
    let backup = backups::create(&call, wish).await?;
    Ok(Answer::accepted(json!({"backup": summary(&backup, call.viewer())})))
}
