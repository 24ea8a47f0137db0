//! `GET /group_snapshots` and `GET /group_snapshots/detail`. Paging, filters and sorting came with 3.29.

use db::Filter;
use domain::group_snapshot::GroupSnapshot;
use serde_json::Value;

use super::sees_project;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::groups::older_type;
use crate::microversion::{GROUP_SNAPSHOT, GROUP_SNAPSHOT_PAGING};
use crate::paging::{GROUP_SNAPSHOTS, Page};
use crate::policy::rules;
use crate::views::group_snapshot::{detail as full, summary};

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    answer(&call, summary).await
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    let sees_project = sees_project(&call);
    answer(&call, |whole| full(whole, sees_project, call.viewer())).await
}

/// Without those of the older API's groups.
async fn answer(call: &Call, view: impl Fn(&GroupSnapshot) -> Value) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    call.require(rules::GROUP_GET_ALL_GROUP_SNAPSHOTS)?;
    let mut page = match call.version >= GROUP_SNAPSHOT_PAGING {
        true => Page::read(call, &GROUP_SNAPSHOTS)?,
        false => Page::first(call),
    };
    let mut conn = call.app.database.read().await?;
    let older = older_type(&mut conn).await?;
    page.query.filters.extend(older.map(|kind| Filter::IsNot("group_type_id", kind.to_string())));
    let rows = db::group_snapshots::list(&mut conn, &page.query).await?;
    let items = rows.iter().map(view).collect();
    let last_id = rows.last().map(|whole| whole.id.to_string());
    Ok(Answer::ok(page.document(call, &GROUP_SNAPSHOTS, items, last_id, None)))
}
