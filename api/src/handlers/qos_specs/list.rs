//! `GET /qos-specs`.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::{Page, QOS_SPECS};
use crate::policy::rules;
use crate::views::qos_specs::summary;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_GET_ALL)?;
    let page = Page::read_all(&call, &QOS_SPECS)?;
    let mut conn = call.app.database.read().await?;
    let all = db::qos_specs::page(&mut conn, &page.query).await?;
    let ids: Vec<String> = all.iter().map(|specs| specs.id.clone()).collect();
    let mut values = db::qos_specs::values_of_many(&mut conn, &ids).await?;
    let items = all.iter().map(|specs| summary(specs, &values.remove(&specs.id).unwrap_or_default())).collect();
    Ok(Answer::ok(page.document(&call, &QOS_SPECS, items, ids.last().cloned(), None)))
}
