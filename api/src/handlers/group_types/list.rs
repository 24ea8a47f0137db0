//! `GET /group_types`.

use db::Filter;

use super::sees_specs;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::paging::{GROUP_TYPES, Page, boolean};
use crate::views::group_type::detail;

/// Administrators choose with `is_public`, where `None` means both; others see the public ones.
pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    let filters = is_public(&call)?.map(|is_public| Filter::IsTrue("is_public", is_public));
    let page = Page::of_all(&call, &GROUP_TYPES, filters.into_iter().collect())?;
    let mut conn = call.app.database.read().await?;
    let kinds = db::group_types::list(&mut conn, &page.query).await?;
    let ids: Vec<String> = kinds.iter().map(|kind| kind.id.to_string()).collect();
    let mut specs = db::metadata::get_many(&mut conn, &ids).await?;
    let sees_specs = sees_specs(&call);
    let view = |(kind, id)| {
        let specs = specs.remove(id).unwrap_or_default();
        detail(kind, sees_specs.then_some(&specs))
    };
    let items = kinds.iter().zip(&ids).map(view).collect();
    Ok(Answer::ok(page.document(&call, &GROUP_TYPES, items, ids.last().cloned(), None)))
}

fn is_public(call: &Call) -> Result<Option<bool>, Fault> {
    match call.parameters.get("is_public").filter(|_| call.caller.is_admin()) {
        Some(word) if word.eq_ignore_ascii_case("none") => Ok(None),
        Some(word) => {
            let chosen = boolean(word).ok_or_else(|| Fault::bad_request(format!("Invalid is_public filter [{word}]")));
            chosen.map(Some)
        }
        None => Ok(Some(true)),
    }
}
