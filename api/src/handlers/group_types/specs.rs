//! `/group_types/{id}/group_specs`: what a type promises, key by key.

use db::metadata::{self, Pairs};
use serde_json::{Value, json};

use super::visible;
use crate::accept::group_types;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::openapi::{Routes, accepted, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

pub(super) const BODY: Object = Object::closed(&[Field::required("group_specs", Rule::Metadata)]);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/group_types/{id}/group_specs", list, ok("Lists a group type's specs").since(GROUP_TYPE))
        .post("/group_types/{id}/group_specs", merge, accepted("Adds to the specs").since(GROUP_TYPE).takes(&BODY))
        .get("/group_types/{id}/group_specs/{key}", show, ok("Shows one spec").since(GROUP_TYPE))
        .put("/group_types/{id}/group_specs/{key}", set, ok("Sets one spec").since(GROUP_TYPE).takes_pair())
        .delete("/group_types/{id}/group_specs/{key}", delete, accepted("Takes one spec away").since(GROUP_TYPE))
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    call.require(rules::GROUP_GROUP_TYPES_SPECS_GET_ALL)?;
    Ok(Answer::ok(json!({"group_specs": read(&call).await?})))
}

/// `POST` → 202: adds and overwrites, and answers what was sent.
pub(super) async fn merge(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let body = call.body()?;
    let specs = BODY.check(&body, call.version)?.pairs("group_specs").unwrap_or_default();
    call.require(rules::GROUP_GROUP_TYPES_SPECS_CREATE)?;
    group_types::merge_specs(&call, call.id(), &specs).await?;
    Ok(Answer::accepted(json!({"group_specs": specs})))
}

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    call.require(rules::GROUP_GROUP_TYPES_SPECS_GET)?;
    let key = call.segment("key");
    let value = read(&call).await?.remove(key);
    let value =
        value.ok_or_else(|| Fault::not_found(format!("Group Type {} has no extra spec with key {key}.", call.id())))?;
    Ok(Answer::ok(json!({key: value})))
}

/// `PUT …/{key}` with `{key: value}`.
pub(super) async fn set(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let body = call.body()?;
    let key = call.segment("key");
    let pairs = body.as_object().filter(|pairs| !pairs.is_empty());
    let pairs = pairs.ok_or_else(|| Fault::bad_request("Request body empty"))?;
    call.require(rules::GROUP_GROUP_TYPES_SPECS_UPDATE)?;
    let value = pairs.get(key).ok_or_else(|| Fault::bad_request("Request body and URI mismatch"))?;
    if pairs.len() > 1 {
        return Err(Fault::bad_request("Request body contains too many items"));
    }
    Rule::Metadata.check(&body, "group_specs", call.version)?;
    let specs = Pairs::from([(key.to_owned(), value.as_str().unwrap_or_default().to_owned())]);
    group_types::merge_specs(&call, call.id(), &specs).await?;
    Ok(Answer::ok(Value::clone(&body)))
}

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    call.require(rules::GROUP_GROUP_TYPES_SPECS_DELETE)?;
    group_types::remove_spec(&call, call.id(), call.segment("key")).await?;
    Ok(Answer::accepted_silently())
}

async fn read(call: &Call) -> Result<Pairs, Fault> {
    let mut conn = call.app.database.read().await?;
    let kind = visible(&mut conn, call, call.id()).await?;
    Ok(metadata::get(&mut conn, &kind.id.to_string()).await?)
}
