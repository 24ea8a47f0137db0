//! What volumes keep of images → 200; and what needs an image service, of which there is none here.

use db::image_metadata;
use db::metadata::Pairs;
use domain::volume::VolumeStatus;
use domain::{Error, Kind};
use serde_json::{Value, json};

use crate::accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{REIMAGE, UPLOAD_IMAGE_WORDS};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const SET: Object = Object::closed(&[Field::required("metadata", Rule::Metadata)]);
pub(crate) const SET_BODY: Object = Object::closed(&[Field::required("os-set_image_metadata", Rule::Object(&SET))]);
const UNSET: Object = Object::closed(&[Field::required("key", Rule::Text { min: 1, max: 255 })]);
pub(crate) const UNSET_BODY: Object =
    Object::closed(&[Field::required("os-unset_image_metadata", Rule::Object(&UNSET))]);

const DISK_FORMATS: &[&str] = &["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"];
const VISIBILITIES: &[&str] = &["community", "public", "private", "shared"];
const UPLOAD: Object = Object::closed(&[
    Field::required("image_name", Rule::Text { min: 1, max: 255 }),
    Field::optional("force", Rule::Boolean),
    Field::optional("disk_format", Rule::Word(DISK_FORMATS)),
    Field::optional("container_format", Rule::Description),
    Field::optional("visibility", Rule::Word(VISIBILITIES)).since(UPLOAD_IMAGE_WORDS),
    Field::optional("protected", Rule::Boolean).since(UPLOAD_IMAGE_WORDS),
]);
pub(crate) const UPLOAD_BODY: Object =
    Object::closed(&[Field::required("os-volume_upload_image", Rule::Object(&UPLOAD))]);

const REIMAGE_FIELDS: Object =
    Object::closed(&[Field::required("image_id", Rule::Uuid), Field::optional("reimage_reserved", Rule::Boolean)]);
pub(crate) const REIMAGE_BODY: Object = Object::closed(&[Field::required("os-reimage", Rule::Object(&REIMAGE_FIELDS))]);

pub(crate) async fn set_metadata(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = SET_BODY.check(body, call.version)?.object("os-set_image_metadata").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_IMAGE_METADATA_SET)?;
    let pairs = fields.pairs("metadata").unwrap_or_default();
    let mut tx = call.app.database.begin("set image metadata").await?;
    let volume = db::volumes::get(&mut tx, &call.caller.scope(), call.id()).await?;
    let pairs = accept::metadata::merge_of_image(&mut tx, &volume, &pairs).await?;
    tx.commit().await?;
    Ok(metadata(&pairs))
}

pub(crate) async fn show_metadata(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_IMAGE_METADATA_SHOW)?;
    let mut conn = call.app.database.read().await?;
    let volume = db::volumes::get(&mut conn, &call.caller.scope(), call.id()).await?;
    Ok(metadata(&image_metadata::get(&mut conn, &volume.id.to_string()).await?))
}

pub(crate) async fn unset_metadata(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields =
        UNSET_BODY.check(body, call.version)?.object("os-unset_image_metadata").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_IMAGE_METADATA_REMOVE)?;
    let mut tx = call.app.database.begin("unset image metadata").await?;
    let volume = db::volumes::get(&mut tx, &call.caller.scope(), call.id()).await?;
    let key = fields.text("key").unwrap_or_default();
    if !image_metadata::remove(&mut tx, &volume.id.to_string(), key).await? {
        let message = format!("Glance metadata for volume/snapshot {} cannot be found.", volume.id);
        return Err(Error::new(Kind::NotFound, message).into());
    }
    tx.commit().await?;
    Ok(Answer::done())
}

fn metadata(pairs: &Pairs) -> Answer {
    Answer::ok(json!({"metadata": pairs}))
}

/// What Cinder answers when its image service cannot be reached.
pub(crate) async fn upload(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields =
        UPLOAD_BODY.check(body, call.version)?.object("os-volume_upload_image").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ACTIONS_UPLOAD_IMAGE)?;
    if fields.text("visibility") == Some("public") && call.version >= UPLOAD_IMAGE_WORDS {
        call.require(rules::VOLUME_ACTIONS_UPLOAD_PUBLIC)?;
    }
    let volume = accept::volumes::get(call, call.id()).await?;
    // `force` does nothing, as in Cinder where no option allows it.
    if volume.status != VolumeStatus::Available {
        let message = format!("Invalid volume: Volume {} status must be available", volume.id);
        return Err(Fault::bad_request(message));
    }
    Err(Fault::bad_request("Connection to glance failed: there is no image service."))
}

/// No image is ever found.
pub(crate) async fn reimage(call: &Call, body: &Value) -> Result<Answer, Fault> {
    call.since(REIMAGE)?;
    let fields = REIMAGE_BODY.check(body, call.version)?.object("os-reimage").ok_or_else(Fault::malformed)?;
    let volume = accept::volumes::get(call, call.id()).await?;
    let is_reserved = volume.status == VolumeStatus::Reserved;
    call.require(if is_reserved { rules::VOLUME_REIMAGE_RESERVED } else { rules::VOLUME_REIMAGE })?;
    let image = fields.text("image_id").unwrap_or_default();
    Err(Fault::not_found(format!("Image {image} could not be found.")))
}
