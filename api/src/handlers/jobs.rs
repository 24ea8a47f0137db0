//! `GET /emberkeep/jobs?resource_id=…`: what is being done about a volume, snapshot or backup now, and how far it is.
//!
//! A route of our own: Cinder's bodies are closed (contract §10), so progress needs a place beside them.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, answers, ok};
use crate::policy::rules;
use crate::views::job;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/emberkeep/jobs",
        list,
        ok("Shows what is being done about a resource, and how far it is")
            .reads(&["resource_id"])
            .gives_list("jobs", answers::JOB),
    )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let resource_id = call.parameters.get("resource_id").unwrap_or_default();
    let mut conn = call.app.database.read().await?;
    let jobs = db::jobs::all_unfinished_about(&mut conn, resource_id).await?;
    let visible = jobs.iter().filter(|job| job.project_id == call.caller.project_id || call.caller.is_admin());
    let jobs: Vec<Value> = visible.map(job::detail).collect();
    Ok(Answer::ok(json!({ "jobs": jobs })))
}
