//! `GET /os-availability-zone` (contract §1.9).

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::versions;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::views::service;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/os-availability-zone", list, ok("Lists availability zones"))
        .nothing("/os-availability-zone/{id}", versions::absent)
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_AVAILABILITY_ZONE_LIST)?;
    let mut conn = call.app.database.read().await?;
    let services = db::services::list(&mut conn, None, Some(service::VOLUME_BINARY)).await?;
    Ok(Answer::ok(service::zones(&services, &call.app.config.default_availability_zone)))
}
