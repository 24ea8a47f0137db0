//! `GET /emberkeep/jobs/{id}/events` and `GET /emberkeep/jobs/events`: server-sent events, each named `job` and holding what
//! `GET /emberkeep/jobs/{id}` shows. Who comes again says with `Last-Event-ID` what was told already.

use axum::response::{IntoResponse, Response};
use db::Scope;

use crate::accept::cancellations;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::events::{OfJob, OfProject, answer, id_of};
use crate::paging::all_tenants;
use crate::policy::rules;

const LAST_EVENT_ID: &str = "last-event-id";

/// 204 ends the questions of a client that knows already how the job has ended.
pub(super) async fn of_job(call: Call) -> Result<Response, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let job = cancellations::find(&mut call.app.database.read().await?, &call, call.id()).await?;
    let told = call.header(LAST_EVENT_ID);
    if job.state.is_terminal() && told == Some(id_of(&job).as_str()) {
        return Ok(Answer::no_content().into_response());
    }
    answer(&call.app, &call.caller.project_id, OfJob::new(job.id, told))
}

pub(super) async fn of_project(call: Call) -> Result<Response, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let scope = if all_tenants(&call)? { Scope::All } else { Scope::Project(call.caller.project_id.clone()) };
    answer(&call.app, &call.caller.project_id, OfProject::new(scope, call.header(LAST_EVENT_ID), call.now))
}
