//! `GET /scheduler-stats/get_pools` (contract §1.9).

use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;
use crate::views::service;

const POLICY: Policy = Policy::admin("scheduler_extension:scheduler_stats:get_pools");

pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(POLICY)?;
    let since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let mut conn = call.app.database.read().await?;
    let workers = db::workers::list(&mut conn, since).await?;
    Ok(Answer::ok(service::pools(&workers, call.parameters.switch("detail")?)))
}
