//! `os-extend` and, from 3.71 on, `os-extend_volume_completion` → 202.

use domain::volume::VolumeStatus;
use serde_json::Value;

use crate::accept::volumes;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{EXTEND_COMPLETION, EXTEND_IN_USE};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const EXTEND: Object = Object::closed(&[Field::required("new_size", Rule::Size)]);
pub(crate) const BODY: Object = Object::closed(&[Field::required("os-extend", Rule::Object(&EXTEND))]);

pub(crate) async fn extend(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = BODY.check(body, call.version)?.object("os-extend").ok_or_else(Fault::malformed)?;
    let in_use_allowed = call.version >= EXTEND_IN_USE;
    let volume = volumes::get(call, call.id()).await?;
    let attached = in_use_allowed && volume.status == VolumeStatus::InUse;
    call.require(if attached { rules::VOLUME_EXTEND_ATTACHED_VOLUME } else { rules::VOLUME_EXTEND })?;
    let new_size_gb = fields.integer("new_size").ok_or_else(Fault::malformed)?;
    volumes::extend(call, call.id(), new_size_gb, in_use_allowed).await?;
    Ok(Answer::accepted_silently())
}

const COMPLETION: Object = Object::closed(&[Field::optional("error", Rule::Anything)]);
pub(crate) const COMPLETION_BODY: Object =
    Object::closed(&[Field::required("os-extend_volume_completion", Rule::Object(&COMPLETION))]);

/// Ends a growth that a compute service was asked to carry out. None is ever asked here.
pub(crate) async fn extend_completion(call: &Call, body: &Value) -> Result<Answer, Fault> {
    call.since(EXTEND_COMPLETION)?;
    let fields = COMPLETION_BODY.check(body, call.version)?.object("os-extend_volume_completion");
    let error = fields.and_then(|fields| fields.value("error"));
    if error.is_some_and(|error| !error.is_string() && !error.is_boolean()) {
        return Err(Fault::malformed());
    }
    call.require(rules::VOLUME_ADMIN_ACTIONS_EXTEND_VOLUME_COMPLETION)?;
    let volume = volumes::get(call, call.id()).await?;
    Err(Fault::bad_request(if volume.status == VolumeStatus::Extending {
        "Invalid volume: Required volume admin metadata is malformed or missing."
    } else {
        "Invalid volume: Volume is not being extended."
    }))
}
