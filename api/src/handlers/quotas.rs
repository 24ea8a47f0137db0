//! `/os-quota-sets/{project}` (contract §1.9).

use domain::quota::Resource;
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::limits;
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule, python};
use crate::views::quota::{self, Quota, UNLIMITED, names_of_type};

const QUOTA_SET: Object = Object::open(&[]);
pub(crate) const BODY: Object = Object::closed(&[Field::required("quota_set", Rule::Object(&QUOTA_SET))]);

/// `GET`, with `?usage=True` also what is in use.
pub(crate) async fn show(call: Call) -> Result<Answer, Fault> {
    check_project(&call)?;
    let quota = limits::read(&call, call.id()).await?;
    let set = set(&call, &quota, call.parameters.switch("usage")?).await?;
    Ok(answer(set, Some(call.id())))
}

/// `GET …/defaults`.
pub(crate) async fn defaults(call: Call) -> Result<Answer, Fault> {
    check_project(&call)?;
    let quota = Quota { limits: call.app.default_limits(), usage: Vec::new() };
    let set = set(&call, &quota, false).await?;
    Ok(answer(set, Some(call.id())))
}

/// `PUT`: answers the set without its id, as Cinder does.
pub(crate) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("quota_set").ok_or_else(Fault::malformed)?;
    call.require(rules::QUOTAS_UPDATE)?;
    let project_id = call.id();
    let changes = changes(&call, fields).await?;
    let mut tx = call.app.database.begin("set quota").await?;
    for (resource, limit) in changes {
        db::quotas::set_limit(&mut tx, project_id, resource, limit).await?;
    }
    tx.commit().await?;
    let quota = limits::read(&call, project_id).await?;
    Ok(answer(set(&call, &quota, false).await?, None))
}

/// Others than administrators ask for their own project only.
fn check_project(call: &Call) -> Result<(), Fault> {
    call.require(rules::QUOTAS_SHOW)?;
    if call.id() == call.caller.project_id { Ok(()) } else { call.require_admin(rules::QUOTAS_SHOW) }
}

async fn set(call: &Call, quota: &Quota, usage: bool) -> Result<Map<String, Value>, Fault> {
    let mut conn = call.app.database.read().await?;
    let types = db::types::list(&mut conn).await?;
    Ok(quota::set(quota, &types, usage))
}

fn answer(mut set: Map<String, Value>, project_id: Option<&str>) -> Answer {
    if let Some(project_id) = project_id {
        set.insert("id".to_owned(), project_id.into());
    }
    Answer::ok(json!({"quota_set": set}))
}

/// The limits to write, all of them checked before the first is.
async fn changes(call: &Call, fields: Fields<'_>) -> Result<Vec<(Resource, i64)>, Fault> {
    let quota = limits::read(call, call.id()).await?;
    let mut conn = call.app.database.read().await?;
    let types = db::types::list(&mut conn).await?;
    let fixed = |name: &str| {
        let of_type = types.iter().any(|kind| names_of_type(&kind.name).iter().any(|known| known == name));
        UNLIMITED.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit).or(of_type.then_some(-1))
    };
    let mut changes = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(*name, "tenant_id" | "id")) {
        match (Resource::parse(name), fixed(name)) {
            (Some(resource), _) => changes.push((resource, limit(name, value, &quota, resource)?)),
            (None, Some(stands)) if number(name, value)? == stands => {}
            (None, Some(stands)) => {
                let message =
                    format!("Invalid input received: quota {name} is not limited here; only {stands} can be set.");
                return Err(Fault::bad_request(message));
            }
            (None, None) => unknown.push(name),
        }
    }
    if unknown.is_empty() {
        return Ok(changes);
    }
    Err(Fault::bad_request(format!("Invalid input received: Bad key(s) in quota set: {}", unknown.join(","))))
}

fn number(name: &str, value: &Value) -> Result<i64, Fault> {
    Rule::Limit.check(value, name, crate::microversion::MIN)?;
    crate::schema::integer(value).ok_or_else(|| {
        let message = format!("Quota limit {} must be an integer.", python::repr(value));
        Fault::bad_request(message)
    })
}

fn limit(name: &str, value: &Value, quota: &Quota, resource: Resource) -> Result<i64, Fault> {
    let limit = number(name, value)?;
    let used = quota.used(resource);
    if limit >= 0 && limit < used {
        return Err(Fault::bad_request(format!(
            "Quota {name} limit must be equal or greater than existing resources. Current usage is {used} and the requested \
             limit is {limit}."
        )));
    }
    Ok(limit)
}
