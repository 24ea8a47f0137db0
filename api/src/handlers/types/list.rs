//! `GET /types`.

use db::Filter;
use db::types::extra_specs;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::TYPE_FILTERS;
use crate::paging::{Page, TYPES, boolean, check_number, dictionary, is_paging};
use crate::policy::rules;
use crate::views::volume_type::{USER_VISIBLE, detail};

/// The one extra spec that holds several values in one text.
const ZONES: &str = "RESKEY:availability_zones";

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPE_GET_ALL)?;
    let mut filters = Vec::from_iter(seen(&call)?);
    filters.extend(asked(&call)?);
    let page = Page::of_all(&call, &TYPES, filters)?;
    let mut conn = call.app.database.read().await?;
    let kinds = db::types::page(&mut conn, &page.query).await?;
    let ids: Vec<String> = kinds.iter().map(|kind| kind.id.clone()).collect();
    let mut specs = extra_specs::get_many(&mut conn, &ids).await?;
    let sight = call.sight_of_types();
    let items = kinds.iter().map(|kind| detail(kind, &specs.remove(&kind.id).unwrap_or_default(), sight)).collect();
    Ok(Answer::ok(page.document(&call, &TYPES, items, ids.last().cloned(), None)))
}

/// Administrators choose with `is_public`, where `None` means both; others see what their project may use.
fn seen(call: &Call) -> Result<Option<Filter>, Fault> {
    let usable = Filter::UsableBy(call.caller.project_id.clone());
    let Some(word) = call.parameters.get("is_public").filter(|_| call.caller.is_admin()) else {
        return Ok(Some(usable));
    };
    if word.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match boolean(word) {
        Some(true) => Ok(Some(usable)),
        Some(false) => Ok(Some(Filter::IsTrue("is_public", false))),
        None => Err(Fault::bad_request(format!("Invalid is_public filter [{word}]"))),
    }
}

fn asked(call: &Call) -> Result<Vec<Filter>, Fault> {
    let mut filters = Vec::new();
    let mut refused = Vec::new();
    for (word, value) in call.parameters.iter().filter(|(word, _)| !is_paging(word) && *word != "is_public") {
        let is_admin = call.caller.is_admin();
        match word {
            "extra_specs" if is_admin || call.version >= TYPE_FILTERS => filters.extend(by_specs(call, value)),
            _ if !is_admin => refused.push(word),
            "id" => filters.push(Filter::Equals("id", value.to_owned())),
            "name" => filters.push(Filter::Equals("name", value.to_owned())),
            "description" => filters.push(Filter::Equals("description", value.to_owned())),
            "qos_specs_id" => filters.push(Filter::Equals("qos_specs_id", value.to_owned())),
            _ => filters.push(Filter::Nothing),
        }
        check_number(&filters)?;
    }
    if !refused.is_empty() && call.version >= TYPE_FILTERS {
        let refused = refused.join(",");
        return Err(Fault::bad_request(format!("Invalid filters {refused} are found in query options.")));
    }
    Ok(filters)
}

/// Who may not see a spec must not find out what it is by filtering: nothing matches.
fn by_specs(call: &Call, value: &str) -> Vec<Filter> {
    let sees_all = call.sight_of_types().all_specs;
    let Some(pairs) = dictionary(value) else { return vec![Filter::Nothing] };
    let filter = |(key, value): (String, String)| match key.as_str() {
        hidden if !sees_all && !USER_VISIBLE.contains(&hidden) => Filter::Nothing,
        ZONES => Filter::ExtraSpecLike(key, value),
        _ => Filter::ExtraSpec(key, value),
    };
    pairs.into_iter().map(filter).collect()
}
