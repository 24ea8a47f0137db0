//! `GET /groups` and `GET /groups/detail`.

use db::Filter;
use domain::group::Group;

use super::{older_type, view, volumes_of};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_GROUP;
use crate::paging::{GROUPS, Page};
use crate::policy::rules;
use crate::views::group::summary;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    let (page, groups) = rows(&call).await?;
    let items = groups.iter().map(summary).collect();
    let last_id = groups.last().map(|group| group.id.to_string());
    Ok(Answer::ok(page.document(&call, &GROUPS, items, last_id, None)))
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    let (page, groups) = rows(&call).await?;
    let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
    let mut conn = call.app.database.read().await?;
    let volumes = volumes_of(&mut conn, &call, &ids).await?;
    let items = groups.iter().map(|group| view(&call, group, volumes.as_ref())).collect();
    let last_id = ids.last().map(ToString::to_string);
    Ok(Answer::ok(page.document(&call, &GROUPS, items, last_id, None)))
}

/// Without those of the older API.
async fn rows(call: &Call) -> Result<(Page, Vec<Group>), Fault> {
    call.since(VOLUME_GROUP)?;
    call.require(rules::GROUP_GET_ALL)?;
    let mut page = Page::read(call, &GROUPS)?;
    let mut conn = call.app.database.read().await?;
    let older = older_type(&mut conn).await?;
    page.query.filters.extend(older.map(|kind| Filter::IsNot("group_type_id", kind.to_string())));
    let groups = db::groups::list(&mut conn, &page.query).await?;
    Ok((page, groups))
}
