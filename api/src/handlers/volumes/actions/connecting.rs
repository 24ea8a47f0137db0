//! `os-initialize_connection` → 200, `os-terminate_connection` and `os-force_detach` → 202.

use serde_json::{Value, json};

use crate::accept::attaching::{self, Force};
use crate::accept::connector::Connector;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const CONNECTOR: Object = Object::closed(&[Field::required("connector", Rule::Anything)]);
pub(crate) const INITIALIZE_BODY: Object =
    Object::closed(&[Field::required("os-initialize_connection", Rule::Object(&CONNECTOR))]);
pub(crate) const TERMINATE_BODY: Object =
    Object::closed(&[Field::required("os-terminate_connection", Rule::Object(&CONNECTOR))]);
const FORCE: Object = Object::closed(&[
    Field::optional("connector", Rule::Anything),
    Field::optional("attachment_id", Rule::TextOrNull { max: 255 }),
]);
pub(crate) const FORCE_BODY: Object = Object::closed(&[Field::required("os-force_detach", Rule::Object(&FORCE))]);

pub(crate) async fn initialize_connection(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = INITIALIZE_BODY.check(body, call.version)?.object("os-initialize_connection");
    let connector = fields.and_then(|fields| fields.value("connector")).unwrap_or(&Value::Null);
    call.require(rules::VOLUME_ACTIONS_INITIALIZE_CONNECTION)?;
    let connector = Connector::read(connector)?;
    let info = attaching::initialize_connection(call, call.id(), &connector).await?;
    Ok(Answer::ok(json!({"connection_info": info})))
}

pub(crate) async fn terminate_connection(call: &Call, body: &Value) -> Result<Answer, Fault> {
    TERMINATE_BODY.check(body, call.version)?;
    call.require(rules::VOLUME_ACTIONS_TERMINATE_CONNECTION)?;
    attaching::terminate_connection(call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

/// For administrators: after a detachment that went wrong.
pub(crate) async fn force_detach(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = FORCE_BODY.check(body, call.version)?.object("os-force_detach").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ADMIN_ACTIONS_FORCE_DETACH)?;
    attaching::detach(call, call.id(), fields.text("attachment_id"), Force::Yes).await?;
    Ok(Answer::accepted_silently())
}
