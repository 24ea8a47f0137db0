//! `sort=key:dir,…`, or the older `sort_key` and `sort_dir`.

use db::Direction;

use super::noun::Noun;
use crate::call::Call;
use crate::error::Fault;
use crate::microversion::Microversion;

const DEFAULT_KEY: &str = "created_at";
const DEFAULT_DIRECTION: &str = "desc";

pub(super) fn read(call: &Call, noun: &Noun) -> Result<Vec<(&'static str, Direction)>, Fault> {
    let (key, direction) = (call.parameters.get("sort_key"), call.parameters.get("sort_dir"));
    match call.parameters.get("sort") {
        Some(_) if key.is_some() || direction.is_some() => Err(Fault::bad_request(
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
        )),
        Some(sort) => sort.trim().split(',').map(|entry| one_of_list(entry, noun, call.version)).collect(),
        None => {
            let (key, direction) = (key.unwrap_or(DEFAULT_KEY), direction.unwrap_or(DEFAULT_DIRECTION));
            Ok(vec![one(key.trim(), direction.trim(), noun, call.version)?])
        }
    }
}

fn one_of_list(entry: &str, noun: &Noun, version: Microversion) -> Result<(&'static str, Direction), Fault> {
    let (key, direction) = entry.split_once(':').unwrap_or((entry, ""));
    let direction = if direction.is_empty() { DEFAULT_DIRECTION } else { direction };
    one(key.trim(), direction.trim(), noun, version)
}

fn one(key: &str, direction: &str, noun: &Noun, version: Microversion) -> Result<(&'static str, Direction), Fault> {
    let too_early = key == "name" && version < noun.sort_by_name_since;
    let column = noun.column(key).and_then(super::noun::ColumnKind::sortable).filter(|_| !too_early);
    let column = column.ok_or_else(|| Fault::bad_request("Invalid input received: Invalid sort key"))?;
    let direction = match direction {
        "asc" => Direction::Ascending,
        "desc" => Direction::Descending,
        _ => {
            let message = "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.";
            return Err(Fault::bad_request(message));
        }
    };
    Ok((column, direction))
}
