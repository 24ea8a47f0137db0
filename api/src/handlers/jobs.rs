//! `GET /emberkeep/jobs?resource_id=…`: what is being done about a volume, snapshot or backup now, and how far it is.
//!
//! A route of our own: Cinder's bodies are closed (contract §10), so progress needs a place beside them.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, ok};
use crate::policy::rules;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/emberkeep/jobs",
        list,
        ok("Shows what is being done about a resource, and how far it is").reads(&["resource_id"]),
    )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let resource_id = call.parameters.get("resource_id").unwrap_or_default();
    let mut conn = call.app.database.read().await?;
    let job = db::jobs::unfinished_about(&mut conn, resource_id).await?;
    let visible = job.filter(|job| job.project_id == call.caller.project_id || call.caller.is_admin());
    let jobs: Vec<_> = visible
        .iter()
        .map(|job| {
            json!({
                "id": job.id.to_string(),
                "kind": job.subject.kind().as_str(),
                "state": job.state.as_str(),
                "attempts": job.attempts,
                "done_bytes": job.progress.done_bytes,
                "total_bytes": job.progress.total_bytes,
                "created_at": job.created_at.iso(),
            })
        })
        .collect();
    Ok(Answer::ok(json!({ "jobs": jobs })))
}
