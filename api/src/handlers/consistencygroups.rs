//! `/consistencygroups` and `/cgsnapshots`, the older API's lists of what are groups of a reserved type here (contract §1.10).

use db::Filter;

use super::groups::older_type;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, answers, ok};
use crate::paging;
use crate::paging::{CGSNAPSHOTS, CONSISTENCYGROUPS, Page};
use crate::policy::rules;
use crate::views::{group, group_snapshot};

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/consistencygroups",
            list,
            ok("Lists consistency groups, which groups have replaced")
                .lists(&paging::CONSISTENCYGROUPS)
                .of(answers::GROUP_SUMMARY),
        )
        .get(
            "/consistencygroups/detail",
            detail,
            ok("Lists them with all that is known of them")
                .lists(&paging::CONSISTENCYGROUPS)
                .of(answers::CONSISTENCYGROUP),
        )
        .get(
            "/cgsnapshots",
            list_snapshots,
            ok("Lists snapshots of consistency groups").lists(&paging::CGSNAPSHOTS).of(answers::GROUP_SUMMARY),
        )
        .get(
            "/cgsnapshots/detail",
            detail_snapshots,
            ok("Lists them with all that is known of them").lists(&paging::CGSNAPSHOTS).of(answers::CGSNAPSHOT),
        )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    groups(&call, group::summary).await
}

async fn detail(call: Call) -> Result<Answer, Fault> {
    groups(&call, group::older).await
}

async fn groups(call: &Call, view: fn(&domain::group::Group) -> serde_json::Value) -> Result<Answer, Fault> {
    call.require(rules::GROUP_GET_ALL)?;
    let mut page = Page::read(call, &CONSISTENCYGROUPS)?;
    let mut conn = call.app.database.read().await?;
    page.query.filters.push(only_older(older_type(&mut conn).await?));
    let rows = db::groups::list(&mut conn, &page.query).await?;
    let last_id = rows.last().map(|row| row.id.to_string());
    Ok(Answer::ok(page.document(call, &CONSISTENCYGROUPS, rows.iter().map(view).collect(), last_id, None)))
}

async fn list_snapshots(call: Call) -> Result<Answer, Fault> {
    snapshots(&call, group_snapshot::summary).await
}

async fn detail_snapshots(call: Call) -> Result<Answer, Fault> {
    snapshots(&call, group_snapshot::older).await
}

async fn snapshots(
    call: &Call,
    view: fn(&domain::group_snapshot::GroupSnapshot) -> serde_json::Value,
) -> Result<Answer, Fault> {
    call.require(rules::GROUP_GET_ALL_GROUP_SNAPSHOTS)?;
    let mut page = Page::read(call, &CGSNAPSHOTS)?;
    let mut conn = call.app.database.read().await?;
    page.query.filters.push(only_older(older_type(&mut conn).await?));
    let rows = db::group_snapshots::list(&mut conn, &page.query).await?;
    let last_id = rows.last().map(|row| row.id.to_string());
    Ok(Answer::ok(page.document(call, &CGSNAPSHOTS, rows.iter().map(view).collect(), last_id, None)))
}

fn only_older(kind: Option<domain::ids::GroupTypeId>) -> Filter {
    kind.map_or(Filter::Nothing, |kind| Filter::Equals("group_type_id", kind.to_string()))
}
