//! `os-reserve`, `os-attach`, `os-detach` and their relatives → 202.

use serde_json::Value;

use crate::accept::attaching::{self, Force, Use};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const ATTACH: Object = Object::closed(&[
    Field::optional("instance_uuid", Rule::Uuid),
    Field::required("mountpoint", Rule::Text { min: 1, max: 255 }),
    Field::optional("host_name", Rule::Text { min: 0, max: 255 }),
    Field::optional("mode", Rule::Word(&["rw", "ro"])),
])
.any_of(&["instance_uuid", "host_name"]);
pub(crate) const ATTACH_BODY: Object = Object::closed(&[Field::required("os-attach", Rule::Object(&ATTACH))]);

const DETACH: Object = Object::closed(&[Field::optional("attachment_id", Rule::UuidOrNull)]);
pub(crate) const DETACH_BODY: Object = Object::closed(&[Field::required("os-detach", Rule::ObjectOrNull(&DETACH))]);

pub(crate) async fn attach(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = ATTACH_BODY.check(body, call.version)?.object("os-attach").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ACTIONS_ATTACH)?;
    let text = |name| fields.text(name).map(str::to_owned);
    let wish = Use {
        mountpoint: text("mountpoint").unwrap_or_default(),
        instance_id: text("instance_uuid"),
        host_name: text("host_name"),
        mode: text("mode").unwrap_or_else(|| "rw".to_owned()),
    };
    attaching::attach(call, call.id(), wish).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn detach(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = DETACH_BODY.check(body, call.version)?.object("os-detach");
    call.require(rules::VOLUME_ACTIONS_DETACH)?;
    let attachment_id = fields.and_then(|fields| fields.text("attachment_id"));
    attaching::detach(call, call.id(), attachment_id, Force::No).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn reserve(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_ACTIONS_RESERVE)?;
    attaching::reserve(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn unreserve(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_ACTIONS_UNRESERVE)?;
    attaching::unreserve(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn begin_detaching(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_ACTIONS_BEGIN_DETACHING)?;
    attaching::begin_detaching(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn roll_detaching(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_ACTIONS_ROLL_DETACHING)?;
    attaching::roll_detaching(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
