//! `GET /emberkeep/workers`: the live workers, what they reach and how busy they are. `PUT
//! /emberkeep/workers/{host}/limits`: what those of a host may do at once and how fast, from now on.
//!
//! Routes of our own: `os-services` says of a worker that it is there, and no more.

use db::host_limits::{self, HostLimits};
use domain::placement::Candidate;
use serde_json::{Value, json};

use crate::accept::services;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, answers, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

/// Null, or left out: what the worker's configuration says.
const LIMITS: Object = Object::closed(&[
    Field::optional("slots", Rule::SizeOrNull),
    Field::optional("bytes_per_second", Rule::SizeOrNull),
]);
const BODY: Object = Object::closed(&[Field::required("limits", Rule::Object(&LIMITS))]);
/// More would be a mistake.
const SLOTS_MAX: i64 = 1024;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/emberkeep/workers",
            list,
            ok("Lists the live workers, what they reach and how busy they are").gives_list("workers", answers::WORKER),
        )
        .put(
            "/emberkeep/workers/{id}/limits",
            set_limits,
            ok("Says what the workers of a host may do at once and how fast, from now on")
                .takes(&BODY)
                .gives("limits", answers::LIMITS),
        )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_WORKERS)?;
    let mut conn = call.app.database.read().await?;
    let workers = db::workers::candidates(&mut conn, call.alive_since()).await?;
    let limits = host_limits::list(&mut conn).await?;
    let of = |worker: &Candidate| limits.get(&worker.host).copied().unwrap_or_default();
    let workers: Vec<Value> = workers.iter().map(|worker| worker_view(worker, of(worker))).collect();
    Ok(Answer::ok(json!({ "workers": workers })))
}

async fn set_limits(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("limits").ok_or_else(Fault::malformed)?;
    call.require(rules::EMBERKEEP_SET_LIMITS)?;
    let limits = HostLimits { slots: fields.integer("slots"), bytes_per_second: fields.integer("bytes_per_second") };
    if limits.slots.is_some_and(|slots| slots > SLOTS_MAX) {
        return Err(Fault::bad_request(format!("A worker does no more than {SLOTS_MAX} jobs at once.")));
    }
    services::limit(&call, call.id(), limits).await?;
    Ok(Answer::ok(json!({"limits": limits_view(limits)})))
}

fn worker_view(worker: &Candidate, limits: HostLimits) -> Value {
    let pools: Vec<Value> = worker
        .pools
        .iter()
        .map(|pool| json!({"name": pool.name, "free_bytes": pool.free_bytes, "total_bytes": pool.total_bytes}))
        .collect();
    json!({
        "id": worker.worker_id.to_string(),
        "host": worker.host,
        "availability_zone": worker.availability_zone,
        "backup_driver": worker.backup_driver,
        "slots": worker.slots,
        "busy": worker.busy,
        "draining": worker.disabled,
        "backups_disabled": worker.backups_disabled,
        "pools": pools,
        "limits": limits_view(limits),
    })
}

fn limits_view(limits: HostLimits) -> Value {
    json!({"slots": limits.slots, "bytes_per_second": limits.bytes_per_second})
}
