//! `POST /groups/{id}/action` → 202.

use domain::group::GroupStatus;
use serde_json::Value;

use super::get;
use crate::accept::groups;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::microversion::{GROUP_REPLICATION, GROUP_RESET_STATUS, VOLUME_GROUP};
use crate::openapi::{Action, accepts};
use crate::policy::{Rule as PolicyRule, rules};
use crate::schema::{Field, Object, Rule, python};

const DELETE: Object = Object::closed(&[Field::optional("delete-volumes", Rule::Boolean)]);
const DELETE_BODY: Object = Object::closed(&[Field::required("delete", Rule::Object(&DELETE))]);
const RESET: Object = Object::closed(&[Field::required("status", Rule::Text { min: 0, max: 255 })]);
const RESET_BODY: Object = Object::closed(&[Field::required("reset_status", Rule::Object(&RESET))]);
const FAILOVER: Object = Object::closed(&[
    Field::optional("allow_attached_volume", Rule::Boolean),
    Field::optional("secondary_backend_id", Rule::TextOrNull { max: 255 }),
]);
const FAILOVER_BODY: Object = Object::closed(&[Field::required("failover_replication", Rule::Object(&FAILOVER))]);
const ANYTHING: Object = Object::open(&[]);
const ENABLE_BODY: Object = Object::closed(&[Field::required("enable_replication", Rule::Object(&ANYTHING))]);
const DISABLE_BODY: Object = Object::closed(&[Field::required("disable_replication", Rule::Object(&ANYTHING))]);
const TARGETS_BODY: Object = Object::closed(&[Field::required("list_replication_targets", Rule::Object(&ANYTHING))]);

pub(super) const ACTIONS: &[Action] = &[
    accepts("delete", &DELETE_BODY),
    accepts("reset_status", &RESET_BODY),
    accepts("enable_replication", &ENABLE_BODY),
    accepts("disable_replication", &DISABLE_BODY),
    accepts("failover_replication", &FAILOVER_BODY),
    accepts("list_replication_targets", &TARGETS_BODY),
];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_GROUP)?;
    let (name, body) = action::read(&call)?;
    match name.as_str() {
        "delete" => delete(&call, &body).await?,
        "reset_status" if call.version >= GROUP_RESET_STATUS => reset_status(&call, &body).await?,
        other if call.version >= GROUP_REPLICATION => replicate(&call, other, &body).await?,
        unknown => return Err(action::unknown(unknown)),
    }
    Ok(Answer::accepted_silently())
}

async fn delete(call: &Call, body: &Value) -> Result<(), Fault> {
    let fields = DELETE_BODY.check(body, call.version)?.object("delete").ok_or_else(Fault::malformed)?;
    get(&mut call.app.database.read().await?, call, call.id()).await?;
    call.require(rules::GROUP_DELETE)?;
    Ok(groups::delete(call, call.id(), fields.boolean("delete-volumes").unwrap_or(false)).await?)
}

async fn reset_status(call: &Call, body: &Value) -> Result<(), Fault> {
    let fields = RESET_BODY.check(body, call.version)?.object("reset_status").ok_or_else(Fault::malformed)?;
    let to = status(fields.text("status").unwrap_or_default())?;
    db::groups::get(&mut call.app.database.read().await?, &call.caller.scope(), call.id()).await?;
    call.require(rules::GROUP_RESET_STATUS)?;
    Ok(groups::reset_status(call, call.id(), to).await?)
}

fn status(word: &str) -> Result<GroupStatus, Fault> {
    if word.trim().is_empty() {
        return Err(Fault::bad_request("Invalid Group Status: The 'status' can not be empty."));
    }
    GroupStatus::parse(&word.to_lowercase()).filter(|status| *status != GroupStatus::InUse).ok_or_else(|| {
        let words = python::tuple(GroupStatus::ALL.iter().map(|status| status.as_str()));
        let message = format!("Invalid Group Status: Group status: {word} is invalid, valid status are: {words}.");
        Fault::bad_request(message)
    })
}

/// No pool here keeps second copies, so no group's type can promise them.
async fn replicate(call: &Call, name: &str, body: &Value) -> Result<(), Fault> {
    let (shape, rule): (&'static Object, PolicyRule) = match name {
        "enable_replication" => (&ENABLE_BODY, rules::GROUP_ENABLE_REPLICATION),
        "disable_replication" => (&DISABLE_BODY, rules::GROUP_DISABLE_REPLICATION),
        "failover_replication" => (&FAILOVER_BODY, rules::GROUP_FAILOVER_REPLICATION),
        "list_replication_targets" => (&TARGETS_BODY, rules::GROUP_LIST_REPLICATION_TARGETS),
        unknown => return Err(action::unknown(unknown)),
    };
    shape.check(body, call.version)?;
    let group = db::groups::get(&mut call.app.database.read().await?, &call.caller.scope(), call.id()).await?;
    call.require(rule)?;
    Err(group.not_replicated().into())
}
