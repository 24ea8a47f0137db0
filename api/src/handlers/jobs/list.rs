//! `GET /emberkeep/jobs`: filtered, sorted and paged as every list (contract §1.4); `?ended=false` leaves those under way.
//! `?resource_id=…`: those under way about a volume, snapshot or backup, oldest first.

use serde_json::{Value, json};

use crate::accept::cancellations;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::{JOBS, Page};
use crate::policy::rules;
use crate::views::job;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_JOBS)?;
    let mut conn = call.app.database.read().await?;
    if let Some(resource_id) = call.parameters.get("resource_id") {
        let jobs = db::jobs::all_unfinished_about(&mut conn, resource_id).await?;
        let visible = jobs.iter().filter(|job| cancellations::is_visible(&call, job));
        let jobs: Vec<Value> = visible.map(|row| job::detail(row, call.now)).collect();
        return Ok(Answer::ok(json!({ "jobs": jobs })));
    }
    let page = Page::read(&call, &JOBS)?;
    let jobs = db::jobs::list(&mut conn, &page.query).await?;
    let count = if page.with_count { Some(db::jobs::count(&mut conn, &page.query).await?) } else { None };
    let items = jobs.iter().map(|row| job::detail(row, call.now)).collect();
    let last_id = jobs.last().map(|row| row.id.to_string());
    Ok(Answer::ok(page.document(&call, &JOBS, items, last_id, count)))
}
