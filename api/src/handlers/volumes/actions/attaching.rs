//! `os-reserve`, `os-attach`, `os-detach` and their relatives → 202.

use serde_json::Value;

use crate::accept::attachments::{self, NewAttachment};
use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;
use crate::schema::{Field, Object, Rule};

const ATTACH_POLICY: Policy = Policy::member("volume_extension:volume_actions:attach");
const DETACH_POLICY: Policy = Policy::member("volume_extension:volume_actions:detach");
const RESERVE_POLICY: Policy = Policy::member("volume_extension:volume_actions:reserve");
const UNRESERVE_POLICY: Policy = Policy::member("volume_extension:volume_actions:unreserve");
const BEGIN_DETACHING_POLICY: Policy = Policy::member("volume_extension:volume_actions:begin_detaching");
const ROLL_DETACHING_POLICY: Policy = Policy::member("volume_extension:volume_actions:roll_detaching");

const ATTACH: Object = Object::closed(&[
    Field::optional("instance_uuid", Rule::Uuid),
    Field::optional("mountpoint", Rule::Text { min: 1, max: 255 }),
    Field::optional("host_name", Rule::Text { min: 1, max: 255 }),
    Field::optional("mode", Rule::Word(&["rw", "ro"])),
])
.any_of(&["instance_uuid", "host_name"]);
const ATTACH_BODY: Object = Object::closed(&[Field::required("os-attach", Rule::Object(&ATTACH))]);

const DETACH: Object = Object::closed(&[Field::optional("attachment_id", Rule::UuidOrNull)]);
const DETACH_BODY: Object = Object::closed(&[Field::required("os-detach", Rule::ObjectOrNull(&DETACH))]);

pub(crate) async fn attach(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = ATTACH_BODY.check(body, call.version)?.object("os-attach").ok_or_else(Fault::malformed)?;
    call.require(ATTACH_POLICY)?;
    let text = |name| fields.text(name).map(str::to_owned);
    let wish = NewAttachment {
        mountpoint: text("mountpoint"),
        instance_id: text("instance_uuid"),
        host_name: text("host_name"),
        mode: text("mode").unwrap_or_else(|| "rw".to_owned()),
    };
    attachments::attach(call, call.id(), wish).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn detach(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = DETACH_BODY.check(body, call.version)?.object("os-detach");
    call.require(DETACH_POLICY)?;
    let attachment_id = fields.and_then(|fields| fields.text("attachment_id"));
    attachments::detach(call, call.id(), attachment_id).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn reserve(call: &Call) -> Result<Answer, Fault> {
    call.require(RESERVE_POLICY)?;
    attachments::reserve(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn unreserve(call: &Call) -> Result<Answer, Fault> {
    call.require(UNRESERVE_POLICY)?;
    attachments::unreserve(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn begin_detaching(call: &Call) -> Result<Answer, Fault> {
    call.require(BEGIN_DETACHING_POLICY)?;
    attachments::begin_detaching(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn roll_detaching(call: &Call) -> Result<Answer, Fault> {
    call.require(ROLL_DETACHING_POLICY)?;
    attachments::roll_detaching(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
