//! `GET /snapshots` and `GET /snapshots/detail` (contract §1.4, §1.7).

use db::metadata::Pairs;
use domain::snapshot::Snapshot;
use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::{Page, SNAPSHOTS};
use crate::policy::rules;
use crate::views::snapshot::{extended, summary};

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    answer(&call, summary).await
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    answer(&call, |snapshot, metadata| extended(snapshot, metadata, call.viewer())).await
}

async fn answer(call: &Call, view: impl Fn(&Snapshot, &Pairs) -> Value) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_GET_ALL_SNAPSHOTS)?;
    let page = Page::read(call, &SNAPSHOTS)?;
    let mut conn = call.app.database.read().await?;
    let snapshots = db::snapshots::list(&mut conn, &page.query).await?;
    let count = if page.with_count { Some(db::snapshots::count(&mut conn, &page.query).await?) } else { None };
    let ids: Vec<String> = snapshots.iter().map(|row| row.id.to_string()).collect();
    let mut metadata = db::metadata::get_many(&mut conn, &ids).await?;
    let item = |(row, id): (&Snapshot, &String)| view(row, &metadata.remove(id).unwrap_or_default());
    let items = snapshots.iter().zip(&ids).map(item).collect();
    Ok(Answer::ok(page.document(call, &SNAPSHOTS, items, ids.last().cloned(), count)))
}
