//! `/os-quota-class-sets/{class}`: limits of many projects; those of the class `default` hold for all that have none of their
//! own (contract §1.9).

use db::types::VolumeType;
use serde_json::{Map, Value, json};

use super::quotas::{check_name, counter, types};
use crate::accept::quotas::{self as accept, Change};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule, integer};
use crate::views::quota;

const CLASS_SET: Object = Object::open(&[]);
const BODY: Object = Object::closed(&[Field::required("quota_class_set", Rule::Object(&CLASS_SET))]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/os-quota-class-sets/{id}", show, ok("Shows the quota of a class of projects; `default` is everybody's"))
        .put("/os-quota-class-sets/{id}", update, ok("Sets the quota of a class of projects").takes(&BODY))
}

/// `GET`.
async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QUOTA_CLASSES_GET)?;
    let types = types(&call).await?;
    let mut set = set(&call, &types).await?;
    set.insert("id".to_owned(), call.id().into());
    Ok(Answer::ok(json!({"quota_class_set": set})))
}

/// `PUT`: answers the set without its id, as Cinder does.
async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("quota_class_set").ok_or_else(Fault::malformed)?;
    let types = types(&call).await?;
    let changes = changes(&call, fields, &types)?;
    call.require(rules::QUOTA_CLASSES_UPDATE)?;
    check_name("quota_class_name", call.id())?;
    accept::set_class_limits(&call, call.id(), &changes).await?;
    Ok(Answer::ok(json!({"quota_class_set": set(&call, &types).await?})))
}

async fn set(call: &Call, types: &[VolumeType]) -> Result<Map<String, Value>, Fault> {
    let mut conn = call.app.database.read().await?;
    let allowed = db::quotas::class_limits(&mut conn, call.id(), &call.app.default_limits()).await?;
    Ok(quota::set(&allowed, types))
}

fn changes(call: &Call, fields: Fields<'_>, types: &[VolumeType]) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in fields.iter() {
        let Some(counter) = counter(name, types) else {
            unknown.push(name);
            continue;
        };
        Rule::Limit.check(value, name, call.version)?;
        changes.push((name.to_owned(), counter, integer(value).ok_or_else(Fault::malformed)?));
    }
    if unknown.is_empty() {
        return Ok(changes);
    }
    let message = format!("Invalid input received: Bad key(s) in quota class set: {}", unknown.join(", "));
    Err(Fault::bad_request(message))
}
