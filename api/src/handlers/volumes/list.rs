//! `GET /volumes` and `GET /volumes/detail` (contract §1.4, §1.6.2).

use domain::volume::Volume;

use super::whole::gather;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::{Page, VOLUMES};
use crate::policy::rules;
use crate::views::volume;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    let (page, volumes, count) = rows(&call).await?;
    let items = volumes.iter().map(|row| volume::summary(row, call.viewer())).collect();
    let last_id = volumes.last().map(|row| row.id.to_string());
    Ok(Answer::ok(page.document(&call, &VOLUMES, items, last_id, count)))
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    let (page, volumes, count) = rows(&call).await?;
    let last_id = volumes.last().map(|row| row.id.to_string());
    let mut conn = call.app.database.read().await?;
    let whole = gather(&mut conn, volumes).await?;
    let items = whole.iter().map(|whole| volume::extended(whole, call.viewer())).collect();
    Ok(Answer::ok(page.document(&call, &VOLUMES, items, last_id, count)))
}

async fn rows(call: &Call) -> Result<(Page, Vec<Volume>, Option<i64>), Fault> {
    call.require(rules::VOLUME_GET_ALL)?;
    let page = Page::read(call, &VOLUMES)?;
    let mut conn = call.app.database.read().await?;
    let volumes = db::volumes::list(&mut conn, &page.query).await?;
    let count = if page.with_count { Some(db::volumes::count(&mut conn, &page.query).await?) } else { None };
    Ok((page, volumes, count))
}
