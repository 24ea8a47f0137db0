//! `GET /scheduler-stats/get_pools` (contract §1.9).

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::service;

pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SCHEDULER_EXTENSION_SCHEDULER_STATS_GET_POOLS)?;
    let since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let mut conn = call.app.database.read().await?;
    let workers = db::workers::list(&mut conn, since).await?;
    Ok(Answer::ok(service::pools(&workers, call.parameters.switch("detail")?)))
}
