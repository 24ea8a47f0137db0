//! `GET /os-availability-zone` (contract §1.9).

use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;
use crate::views::service;

const POLICY: Policy = Policy::reader("volume:availability_zone_list");

pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(POLICY)?;
    let mut conn = call.app.database.read().await?;
    let services = db::services::list(&mut conn, None, Some(service::VOLUME_BINARY)).await?;
    Ok(Answer::ok(service::zones(&services, &call.app.config.default_availability_zone)))
}
