//! `GET /scheduler-stats/get_pools` (contract §1.9).

use domain::{Error, Kind};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{CONFIGURABLE_FILTERS, POOL_FILTERS, POOL_TYPE_FILTER};
use crate::openapi::{Routes, ok};
use crate::paging::boolean;
use crate::policy::rules;
use crate::views::service;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get("/scheduler-stats/get_pools", list, ok("Lists pools").reads(&["detail", "name", "volume_type"]))
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SCHEDULER_EXTENSION_SCHEDULER_STATS_GET_POOLS)?;
    let detailed = call.parameters.switch("detail")?;
    let filters = filters(&call)?;
    let mut conn = call.app.database.read().await?;
    let kind = filters.iter().find(|(word, _)| word == "volume_type").map(|(_, kind)| kind.clone());
    let wanted = match kind {
        Some(kind) => specs(&mut conn, &kind).await?,
        None => Vec::new(),
    };
    let workers = db::workers::list(&mut conn, call.alive_since()).await?;
    let pools = service::pools(&workers).into_iter().filter(|pool| {
        let named = |word: &str| if word == "name" { &pool["name"] } else { &pool["capabilities"][word] };
        let mut asked = filters.iter().filter(|(word, _)| word != "volume_type");
        asked.all(|(word, value)| equals(named(word), value))
            && wanted.iter().all(|(key, spec)| meets(&pool["capabilities"][key], spec))
    });
    let shown: Vec<Value> =
        if detailed { pools.collect() } else { pools.map(|pool| json!({"name": pool["name"]})).collect() };
    Ok(Answer::ok(json!({"pools": shown})))
}

/// What the pools are chosen by. Here administrators are held to the configured words too.
fn filters(call: &Call) -> Result<Vec<(String, String)>, Fault> {
    if call.version < POOL_FILTERS {
        return Ok(Vec::new());
    }
    let asked = call.parameters.iter().filter(|(word, _)| *word != "detail");
    let (known, unknown): (Vec<_>, Vec<_>) = asked.partition(|(word, _)| call.app.filters.allows("pool", word, false));
    if !unknown.is_empty() && call.version >= CONFIGURABLE_FILTERS {
        let words: Vec<&str> = unknown.iter().map(|(word, _)| *word).collect();
        return Err(Fault::bad_request(format!("Invalid filters {} are found in query options.", words.join(","))));
    }
    let by_type = call.version >= POOL_TYPE_FILTER;
    let kept = known.into_iter().filter(|(word, _)| by_type || *word != "volume_type");
    Ok(kept.map(|(word, value)| (word.to_owned(), value.to_owned())).collect())
}

/// The extra specs of the type that a pool must meet: those that speak of capabilities.
async fn specs(conn: &mut db::Conn, name_or_id: &str) -> Result<Vec<(String, String)>, Fault> {
    let missing = || Error::new(Kind::NotFound, format!("Volume type with name {name_or_id} could not be found."));
    let kind = db::types::find(conn, &db::Scope::All, name_or_id).await?.ok_or_else(missing)?;
    let specs = db::types::extra_specs::get(conn, &kind.id).await?;
    let capability = |(key, spec): (String, String)| match key.split_once(':') {
        None => Some((key, spec)),
        Some(("capabilities", rest)) => Some((rest.to_owned(), spec)),
        Some(_) => None,
    };
    Ok(specs.into_iter().filter_map(capability).collect())
}

fn equals(capability: &Value, value: &str) -> bool {
    match capability {
        Value::Bool(truth) => boolean(value) == Some(*truth),
        Value::Number(number) => value.trim().parse().ok() == number.as_f64(),
        Value::String(text) => text == value,
        _ => false,
    }
}

/// `<is> True`, `<in> part`, `s== text`, `>= 5`, or the value itself.
fn meets(capability: &Value, spec: &str) -> bool {
    let (operator, rest) = spec.trim().split_once(' ').unwrap_or(("", spec));
    let text = || capability.as_str().map_or_else(|| capability.to_string(), str::to_owned);
    let number = |compare: fn(f64, f64) -> bool| match (capability.as_f64(), rest.trim().parse()) {
        (Some(has), Ok(wants)) => compare(has, wants),
        _ => false,
    };
    match operator {
        "<is>" => equals(capability, rest.trim()),
        "<in>" => text().contains(rest.trim()),
        "s==" => text() == rest.trim(),
        "s!=" => text() != rest.trim(),
        "=" | ">=" => number(|has, wants| has >= wants),
        "<=" => number(|has, wants| has <= wants),
        "==" => number(|has, wants| has == wants),
        "!=" => number(|has, wants| has != wants),
        _ => equals(capability, spec),
    }
}
