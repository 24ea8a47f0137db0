//! `GET /limits`: what a project may hold and holds (contract §1.9).

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::LIMITS_OF_PROJECT;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::views::quota::{self, Quota};

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get("/limits", show, ok("Shows what a project may hold and holds").reads(&["project_id", "tenant_id"]))
}

async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::LIMITS_EXTENSION_USED_LIMITS)?;
    let named = call.parameters.get("project_id").or_else(|| call.parameters.get("tenant_id"));
    let other = named.filter(|_| call.version >= LIMITS_OF_PROJECT);
    let project_id = other.filter(|_| call.caller.is_admin()).unwrap_or(&call.caller.project_id);
    let quota = read(&call, project_id).await?;
    Ok(Answer::ok(quota::limits(&quota)))
}

/// The project's limits and usage.
pub(crate) async fn read(call: &Call, project_id: &str) -> Result<Quota, Fault> {
    let mut conn = call.app.database.read().await?;
    let allowed = db::quotas::limits(&mut conn, project_id, &call.app.default_limits()).await?;
    let usage = db::quotas::usage(&mut conn, project_id).await?;
    Ok(Quota { allowed, usage })
}
