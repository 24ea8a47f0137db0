//! `POST /workers/cleanup` from 3.24 on: what a dead service left behind.
//!
//! Here the reconcilers do that by themselves, so that nothing is ever left for an operator to clean up.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::WORKERS_CLEANUP;
use crate::openapi::{Routes, accepted};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const HOST: Rule = Rule::TextOrNull { max: 255 };
const BODY: Object = Object::closed(&[
    Field::optional("cluster_name", HOST),
    Field::optional("disabled", Rule::Boolean),
    Field::optional("host", HOST),
    Field::optional("is_up", Rule::Boolean),
    Field::optional("binary", Rule::Word(&["cinder-volume", "cinder-scheduler"])),
    Field::optional("resource_id", Rule::UuidOrNull),
    Field::optional("resource_type", Rule::TextOrNull { max: 255 }),
    Field::optional("service_id", Rule::SizeOrNull),
]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.post(
        "/workers/cleanup",
        clean_up,
        accepted("Cleans up after a dead service, as happens by itself").since(WORKERS_CLEANUP).takes(&BODY),
    )
}

async fn clean_up(call: Call) -> Result<Answer, Fault> {
    call.since(WORKERS_CLEANUP)?;
    let body = call.optional_body()?.unwrap_or_else(|| json!({}));
    let fields = BODY.check(&body, call.version)?;
    call.require(rules::WORKERS_CLEANUP)?;
    let known = |kind: &str| matches!(kind.to_lowercase().as_str(), "" | "volume" | "snapshot");
    if let Some(kind) = fields.text("resource_type").filter(|kind| !known(kind)) {
        let message = format!("Invalid input received: Resource type {kind} not valid, must be Snapshot or Volume");
        return Err(Fault::bad_request(message));
    }
    let located = ["service_id", "cluster_name", "host"].iter().any(|name| fields.value(name).is_some());
    if let Some(id) = fields.text("resource_id").filter(|_| !located) {
        let message = format!("Invalid input received: There is no resource with UUID {id} pending cleanup.");
        return Err(Fault::bad_request(message));
    }
    Ok(Answer::accepted(json!({"cleaning": [], "unavailable": []})))
}
