//! `GET /volume-transfers` and `GET /volume-transfers/detail`; sorted and paged by the caller from 3.59 on.

use db::{Direction, ListQuery};
use domain::transfer::Transfer;
use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::TRANSFER_PAGING;
use crate::paging::{Page, TRANSFERS};
use crate::policy::rules;
use crate::views::Viewer;
use crate::views::transfer;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    answer(&call, transfer::summary).await
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    answer(&call, transfer::detail).await
}

async fn answer(call: &Call, view: fn(&Transfer, Viewer<'_>) -> Value) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_GET_ALL_TRANSFERS)?;
    let mut page = Page::read(call, &TRANSFERS)?;
    if call.version < TRANSFER_PAGING {
        let sort = vec![("created_at", Direction::Ascending)];
        page.query = ListQuery { sort, marker: None, ..page.query };
    }
    let mut conn = call.app.database.read().await?;
    let transfers = db::transfers::list(&mut conn, &page.query).await?;
    let last_id = transfers.last().map(|row| row.id.to_string()).filter(|_| call.version >= TRANSFER_PAGING);
    let items = transfers.iter().map(|row| view(row, call.viewer())).collect();
    Ok(Answer::ok(page.document(call, &TRANSFERS, items, last_id, None)))
}
