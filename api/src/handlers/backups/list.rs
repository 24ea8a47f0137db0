//! `GET /backups` and `GET /backups/detail` (contract §1.4, §1.5.3).

use std::collections::BTreeMap;

use domain::backup::Backup;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::{BACKUPS, Page};
use crate::policy::rules;
use crate::views::backup;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    let (page, backups, count) = rows(&call).await?;
    let items = backups.iter().map(|row| backup::summary(row, call.viewer())).collect();
    let last_id = backups.last().map(|row| row.id.to_string());
    Ok(Answer::ok(page.document(&call, &BACKUPS, items, last_id, count)))
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    let (page, backups, count) = rows(&call).await?;
    let ids: Vec<String> = backups.iter().map(|row| row.id.to_string()).collect();
    let mut conn = call.app.database.read().await?;
    let mut metadata = db::metadata::get_many(&mut conn, &ids).await?;
    let view = |(row, id): (&Backup, &String)| {
        let pairs = metadata.remove(id).unwrap_or_else(BTreeMap::new);
        backup::detail(row, &pairs, call.viewer())
    };
    let items = backups.iter().zip(&ids).map(view).collect();
    Ok(Answer::ok(page.document(&call, &BACKUPS, items, ids.last().cloned(), count)))
}

async fn rows(call: &Call) -> Result<(Page, Vec<Backup>, Option<i64>), Fault> {
    call.require(rules::BACKUP_GET_ALL)?;
    let page = Page::read(call, &BACKUPS)?;
    let mut conn = call.app.database.read().await?;
    let backups = db::backups::list(&mut conn, &page.query).await?;
    let count = if page.with_count { Some(db::backups::count(&mut conn, &page.query).await?) } else { None };
    Ok((page, backups, count))
}
