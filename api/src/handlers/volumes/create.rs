//! `POST /volumes` → 202 (contract §1.6.1).

use serde_json::json;

use super::whole::gather_one;
use crate::accept::new_volumes::{self, NewVolume};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{STRICT_VOLUMES, VOLUME_GROUP};
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule};
use crate::views::volume::detail;

const FIELDS: &[Field] = &[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("display_name", Rule::TextOrNull { max: 255 }),
    Field::optional("display_description", Rule::Description),
    Field::optional("volume_type", Rule::TextOrNull { max: 255 }),
    Field::optional("metadata", Rule::MetadataOrNull),
    Field::optional("snapshot_id", Rule::UuidOrNull),
    Field::optional("source_volid", Rule::UuidOrNull),
    Field::optional("consistencygroup_id", Rule::UuidOrNull),
    Field::optional("size", Rule::SizeOrNull),
    Field::optional("availability_zone", Rule::TextOrNull { max: 255 }),
    Field::optional("multiattach", Rule::Boolean),
    Field::optional("image_id", Rule::TextOrNull { max: 255 }),
    Field::optional("imageRef", Rule::TextOrNull { max: 255 }),
    Field::optional("group_id", Rule::UuidOrNull).since(VOLUME_GROUP),
    // Introduced with 3.47; below, unknown keys are not refused and Cinder uses it all the same.
    Field::optional("backup_id", Rule::UuidOrNull),
];
const VOLUME: Object = Object::open(FIELDS);
const STRICT_VOLUME: Object = Object::closed(FIELDS);
const HINTS: Object = Object::open(&[]);

const HINTS_FIELD: Field = Field::optional("OS-SCH-HNT:scheduler_hints", Rule::ObjectOrNull(&HINTS));
pub(super) const BODY: Object = Object::closed(&[Field::required("volume", Rule::Object(&VOLUME)), HINTS_FIELD]);
pub(super) const STRICT_BODY: Object =
    Object::closed(&[Field::required("volume", Rule::Object(&STRICT_VOLUME)), HINTS_FIELD]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let shape = if call.version >= STRICT_VOLUMES { &STRICT_BODY } else { &BODY };
    let fields = shape.check(&body, call.version)?.object("volume").ok_or_else(Fault::malformed)?;
    if fields.is_empty() {
        return Err(Fault::malformed());
    }
    call.require(rules::VOLUME_CREATE)?;
    refuse_unsupported(fields)?;
    let text = |name| fields.text(name).map(str::to_owned);
    let wish = NewVolume {
        size_gb: fields.integer("size"),
        name: fields.change(&["name", "display_name"]).flatten(),
        description: fields.change(&["description", "display_description"]).flatten(),
        volume_type: text("volume_type"),
        availability_zone: text("availability_zone"),
        metadata: fields.pairs("metadata").unwrap_or_default(),
        snapshot_id: text("snapshot_id"),
        source_volume_id: text("source_volid"),
        backup_id: text("backup_id"),
        group_id: text("group_id").filter(|_| call.version >= VOLUME_GROUP).or_else(|| text("consistencygroup_id")),
    };
    let volume = new_volumes::create(&call, wish).await?;
    let mut conn = call.app.database.read().await?;
    let whole = gather_one(&mut conn, volume).await?;
    Ok(Answer::accepted(json!({"volume": detail(&whole, call.viewer())})))
}

/// What Cinder can have and this service has not: images, attaching twice.
fn refuse_unsupported(fields: Fields<'_>) -> Result<(), Fault> {
    if fields.boolean("multiattach") == Some(true) {
        return Err(Fault::bad_request(
            "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact \
             your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.",
        ));
    }
    let image = fields.text("imageRef").or_else(|| fields.text("image_id"));
    if image.is_some_and(|image| !image.is_empty()) {
        let message = "Invalid image identifier or unable to access requested image.";
        return Err(Fault::bad_request(message));
    }
    Ok(())
}
