//! `/emberkeep/jobs`: what is being done, or was, and how far it is; the same as events; and the end of a job before its time.
//!
//! Routes of our own: Cinder's bodies are closed (contract §10), so progress needs a place beside them.

mod events;
mod list;

use serde_json::json;

use crate::accept::cancellations;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging::JOBS;
use crate::policy::rules;
use crate::schema::Object;
use crate::views::job;

/// There is nothing to choose; no body at all is as good.
const BODY: Object = Object::closed(&[]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/emberkeep/jobs",
            list::list,
            ok("Lists jobs; with resource_id those that are under way about a volume, snapshot or backup")
                .reads(&["resource_id"])
                .lists(&JOBS)
                .of(answers::JOB),
        )
        .get(
            "/emberkeep/jobs/events",
            events::of_project,
            ok("Tells the project's jobs under way, and from then on each that changes")
                .reads(&["all_tenants"])
                .streams(),
        )
        .get("/emberkeep/jobs/{id}", show, ok("Shows a job, whether it has ended or not").gives("job", answers::JOB))
        .get(
            "/emberkeep/jobs/{id}/events",
            events::of_job,
            ok("Tells a job as it is, and from then on each time that it changes, until it has ended")
                .streams()
                .or(204),
        )
        .post(
            "/emberkeep/jobs/{id}/cancel",
            cancel,
            accepted("Ends a backup, a restore, an import or a verification before its time")
                .takes(&BODY)
                .gives("job", answers::JOB),
        )
}

async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let job = cancellations::find(&mut call.app.database.read().await?, &call, call.id()).await?;
    Ok(Answer::ok(json!({"job": job::detail(&job, call.now)})))
}

async fn cancel(call: Call) -> Result<Answer, Fault> {
    BODY.check(&call.optional_body()?.unwrap_or_else(|| json!({})), call.version)?;
    call.require(rules::EMBERKEEP_CANCEL_JOB)?;
    let job = cancellations::cancel(&call, call.id()).await?;
    Ok(Answer::accepted(json!({"job": job::detail(&job, call.now)})))
}
