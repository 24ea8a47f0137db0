//! `os-set_bootable` → 200 and `os-update_readonly_flag` → 202.

use serde_json::Value;

use crate::accept::volumes;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const BOOTABLE: Object = Object::closed(&[Field::required("bootable", Rule::Boolean)]);
pub(crate) const BOOTABLE_BODY: Object = Object::closed(&[Field::required("os-set_bootable", Rule::Object(&BOOTABLE))]);
const READONLY: Object = Object::closed(&[Field::required("readonly", Rule::Boolean)]);
pub(crate) const READONLY_BODY: Object =
    Object::closed(&[Field::required("os-update_readonly_flag", Rule::Object(&READONLY))]);

pub(crate) async fn set_bootable(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = BOOTABLE_BODY.check(body, call.version)?.object("os-set_bootable").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ACTIONS_SET_BOOTABLE)?;
    volumes::set_bootable(call, call.id(), fields.boolean("bootable").unwrap_or(false)).await?;
    Ok(Answer::done())
}

pub(crate) async fn update_readonly_flag(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields =
        READONLY_BODY.check(body, call.version)?.object("os-update_readonly_flag").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_UPDATE_READONLY_FLAG)?;
    volumes::set_readonly(call, call.id(), fields.boolean("readonly").unwrap_or(false)).await?;
    Ok(Answer::accepted_silently())
}
