//! `GET /emberkeep/jobs?resource_id=…`: what is being done about a volume, snapshot or backup now, and how far it is.
//! `GET /emberkeep/jobs/{id}` shows one, also when it has ended; `POST /emberkeep/jobs/{id}/cancel` ends it before its time.
//!
//! Routes of our own: Cinder's bodies are closed (contract §10), so progress needs a place beside them.

use serde_json::{Value, json};

use crate::accept::cancellations;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;
use crate::schema::Object;
use crate::views::job;

/// There is nothing to choose; no body at all is as good.
const BODY: Object = Object::closed(&[]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/emberkeep/jobs",
            list,
            ok("Shows what is being done about a resource, and how far it is")
                .reads(&["resource_id"])
                .gives_list("jobs", answers::JOB),
        )
        .get("/emberkeep/jobs/{id}", show, ok("Shows a job, whether it has ended or not").gives("job", answers::JOB))
        .post(
            "/emberkeep/jobs/{id}/cancel",
            cancel,
            accepted("Ends a backup, a restore, an import or a verification before its time")
                .takes(&BODY)
                .gives("job", answers::JOB),
        )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let resource_id = call.parameters.get("resource_id").unwrap_or_default();
    let mut conn = call.app.database.read().await?;
    let jobs = db::jobs::all_unfinished_about(&mut conn, resource_id).await?;
    let visible = jobs.iter().filter(|job| cancellations::is_visible(&call, job));
    let jobs: Vec<Value> = visible.map(job::detail).collect();
    Ok(Answer::ok(json!({ "jobs": jobs })))
}

async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let job = cancellations::find(&mut call.app.database.read().await?, &call, call.id()).await?;
    Ok(Answer::ok(json!({"job": job::detail(&job)})))
}

async fn cancel(call: Call) -> Result<Answer, Fault> {
    BODY.check(&call.optional_body()?.unwrap_or_else(|| json!({})), call.version)?;
    call.require(rules::EMBERKEEP_CANCEL_JOB)?;
    let job = cancellations::cancel(&call, call.id()).await?;
    Ok(Answer::accepted(json!({"job": job::detail(&job)})))
}
