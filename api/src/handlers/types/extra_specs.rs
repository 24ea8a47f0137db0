//! `/types/{id}/extra_specs`: what volumes of a type need, key by key.

use db::metadata::Pairs;
use serde_json::{Value, json};

use super::visible;
use crate::accept::types;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, specs};

pub(super) const BODY: Object = Object::closed(&[Field::required("extra_specs", Rule::NarrowSpecs)]);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/types/{id}/extra_specs", list, ok("Lists what a type's volumes need").gives_pairs("extra_specs"))
        .post("/types/{id}/extra_specs", merge, ok("Adds to the extra specs").takes(&BODY).gives_pairs("extra_specs"))
        .get("/types/{id}/extra_specs/{key}", show, ok("Shows one extra spec"))
        .put("/types/{id}/extra_specs/{key}", set, ok("Sets one extra spec").takes_pair())
        .delete("/types/{id}/extra_specs/{key}", delete, accepted("Takes one extra spec away"))
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPES_EXTRA_SPECS_INDEX)?;
    Ok(Answer::ok(json!({"extra_specs": read(&call).await?})))
}

/// `POST` → 200: adds and overwrites, and answers what was sent.
pub(super) async fn merge(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?;
    call.require(rules::TYPES_EXTRA_SPECS_CREATE)?;
    let pairs = fields.value("extra_specs").map(specs).unwrap_or_default();
    types::merge_specs(&call, call.id(), &pairs).await?;
    Ok(Answer::ok(json!({"extra_specs": pairs})))
}

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPES_EXTRA_SPECS_SHOW)?;
    let key = call.segment("key");
    let value = read(&call).await?.remove(key).ok_or_else(|| types::missing_spec(call.id(), key))?;
    Ok(Answer::ok(json!({key: value})))
}

/// `PUT …/{key}` with `{key: value}`.
pub(super) async fn set(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    Rule::NarrowSpecsItem.check(&body, "extra_specs", call.version)?;
    call.require(rules::TYPES_EXTRA_SPECS_UPDATE)?;
    let pairs = specs(&body);
    types::set_spec(&call, call.id(), call.segment("key"), &pairs).await?;
    Ok(Answer::ok(Value::from_iter(pairs)))
}

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPES_EXTRA_SPECS_DELETE)?;
    types::remove_spec(&call, call.id(), call.segment("key")).await?;
    Ok(Answer::accepted_silently())
}

/// As much of them as the caller may see.
async fn read(call: &Call) -> Result<Pairs, Fault> {
    let mut conn = call.app.database.read().await?;
    let kind = visible(&mut conn, call).await?;
    let pairs = db::types::extra_specs::get(&mut conn, &kind.id).await?;
    Ok(call.sight_of_types().specs(&pairs))
}
