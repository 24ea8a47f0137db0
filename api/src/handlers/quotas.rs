//! `/os-quota-sets/{project}` (contract §1.9).

use db::types::VolumeType;
use domain::quota::Counter;
use serde_json::{Map, Value, json};

use crate::accept::quotas::{self as accept, Change};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::limits;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::schema::{Field, Fields, INTEGER_MAX, Object, Rule, python};
use crate::views::quota;

const QUOTA_SET: Object = Object::open(&[]);
const BODY: Object = Object::closed(&[Field::required("quota_set", Rule::Object(&QUOTA_SET))]);
/// The longest name of a project or a class.
const NAME_MAX: usize = 255;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/os-quota-sets/{id}", show, ok("Shows a project's quota").reads(&["usage"]))
        .put("/os-quota-sets/{id}", update, ok("Sets a project's quota").takes(&BODY))
        .delete("/os-quota-sets/{id}", delete, ok("Takes a project's own quota away, so that the defaults hold"))
        .get("/os-quota-sets/{id}/defaults", defaults, ok("Shows the quota that projects begin with"))
}

/// `GET`, with `?usage=True` also what is in use.
async fn show(call: Call) -> Result<Answer, Fault> {
    check_project(&call)?;
    let quota = limits::read(&call, call.id()).await?;
    let types = types(&call).await?;
    let with_usage = call.parameters.switch("usage")?;
    let set = if with_usage { quota::set_with_usage(&quota, &types) } else { quota::set(&quota.allowed, &types) };
    Ok(answer(set, Some(call.id())))
}

/// `GET …/defaults`.
async fn defaults(call: Call) -> Result<Answer, Fault> {
    check_project(&call)?;
    let mut conn = call.app.database.read().await?;
    let configured = call.app.default_limits();
    let allowed = db::quotas::class_limits(&mut conn, db::quotas::DEFAULT_CLASS, &configured).await?;
    drop(conn);
    Ok(answer(quota::set(&allowed, &types(&call).await?), Some(call.id())))
}

/// `PUT`: answers the set without its id, as Cinder does.
async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("quota_set").ok_or_else(Fault::malformed)?;
    if fields.is_empty() {
        let text = "Invalid input for field/attribute quota_set. Value: {}. {} does not have enough properties";
        return Err(Fault::bad_request(text));
    }
    let types = types(&call).await?;
    let changes = changes(fields, &types)?;
    call.require(rules::QUOTAS_UPDATE)?;
    check_name("quota_set_name", call.id())?;
    accept::set_limits(&call, call.id(), &changes).await?;
    let quota = limits::read(&call, call.id()).await?;
    Ok(answer(quota::set(&quota.allowed, &types), None))
}

/// `DELETE`: the defaults hold again.
async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QUOTAS_DELETE)?;
    accept::clear_limits(&call, call.id()).await?;
    Ok(Answer::done())
}

/// Others than administrators ask for their own project only.
fn check_project(call: &Call) -> Result<(), Fault> {
    call.require(rules::QUOTAS_SHOW)?;
    if call.id() == call.caller.project_id { Ok(()) } else { call.require_admin(rules::QUOTAS_SHOW) }
}

/// All of them: each brings limits of its own along.
pub(super) async fn types(call: &Call) -> Result<Vec<VolumeType>, Fault> {
    let mut conn = call.app.database.read().await?;
    Ok(db::types::list(&mut conn).await?)
}

pub(super) fn check_name(what: &str, name: &str) -> Result<(), Fault> {
    match name.chars().count() {
        length if length > NAME_MAX => {
            Err(Fault::bad_request(format!("{what} has {length} characters, more than {NAME_MAX}.")))
        }
        _ => Ok(()),
    }
}

fn answer(mut set: Map<String, Value>, project_id: Option<&str>) -> Answer {
    if let Some(project_id) = project_id {
        set.insert("id".to_owned(), project_id.into());
    }
    Answer::ok(json!({"quota_set": set}))
}

fn changes(fields: Fields<'_>, types: &[VolumeType]) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(*name, "tenant_id" | "id")) {
        match counter(name, types) {
            Some(counter) => changes.push((name.to_owned(), counter, limit(name, value)?)),
            None => unknown.push(name),
        }
    }
    if unknown.is_empty() {
        return Ok(changes);
    }
    Err(Fault::bad_request(format!("Invalid input received: Bad key(s) in quota set: {}", unknown.join(", "))))
}

pub(super) fn counter(name: &str, types: &[VolumeType]) -> Option<Counter> {
    quota::counters(types).find(|(known, _)| known == name).map(|(_, counter)| counter)
}

/// What Python's `int(str(value))` takes, from -1 on.
fn limit(name: &str, value: &Value) -> Result<i64, Fault> {
    let digits = python::text(value);
    let whole = digits.trim().trim_start_matches(['+', '-']);
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::bad_request(format!("{name} must be an integer")));
    }
    let too_long = if digits.trim().starts_with('-') { i64::MIN } else { i64::MAX };
    match digits.trim().parse().unwrap_or(too_long) {
        limit if limit < -1 => Err(Fault::bad_request(format!("{name} must be >= -1"))),
        limit if limit > INTEGER_MAX => Err(Fault::bad_request(format!("{name} must be <= {INTEGER_MAX}"))),
        limit => Ok(limit),
    }
}
