//! Filters: which words mean what, and for whom (contract §1.4).

use db::Filter;
use domain::Timestamp;

use super::noun::{ColumnKind, Noun};
use super::parameters::boolean;
use crate::call::Call;
use crate::error::Fault;
use crate::microversion;

/// More conditions than any caller needs and fewer than any database refuses.
const FILTERS_MAX: usize = 100;

/// Parameters that are no filters.
pub(super) const PAGING: [&str; 7] = ["limit", "offset", "marker", "sort", "sort_key", "sort_dir", "all_tenants"];

pub(super) fn read(call: &Call, noun: &Noun, all_tenants: bool) -> Result<Vec<Filter>, Fault> {
    let mut filters = Vec::new();
    let mut refused = Vec::new();
    for (word, value) in call.parameters.iter() {
        let counts = word == "with_count" && call.version >= microversion::WITH_COUNT;
        // Without all_tenants the list is of the caller's own project, whatever this says.
        let own_project = word == "project_id" && !all_tenants;
        // It says how a group is shown, or had no meaning yet.
        let no_filter = match word {
            "list_volume" => noun.collection == "groups",
            "group_id" => noun.collection == "volumes" && call.version < microversion::VOLUME_LIST_GROUP,
            _ => false,
        };
        if PAGING.contains(&word) || counts || own_project || no_filter {
            continue;
        }
        let (word, like) = like(call, word);
        // Before filters could be configured, everybody had this one.
        let older = call.version < microversion::CONFIGURABLE_FILTERS
            && matches!(noun.column(word), Some(ColumnKind::ImageMetadata));
        if !call.caller.is_admin() && !older && !call.app.filters.allow(noun, word, like) {
            refused.push(word);
            continue;
        }
        one(call, noun, word, value, like, &mut filters)?;
        check_number(&filters)?;
    }
    // Older microversions drop what they do not know.
    if !refused.is_empty() && call.version >= microversion::CONFIGURABLE_FILTERS {
        let message = format!("Invalid filters {} are found in query options.", refused.join(","));
        return Err(Fault::bad_request(message));
    }
    Ok(filters)
}

/// A statement holds only so many conditions.
pub(crate) fn check_number(filters: &[Filter]) -> Result<(), Fault> {
    if filters.len() <= FILTERS_MAX {
        return Ok(());
    }
    Err(Fault::bad_request("Invalid input received: too many filters"))
}

/// `name~` asks for a part of the name.
fn like<'a>(call: &Call, word: &'a str) -> (&'a str, bool) {
    match word.strip_suffix('~').filter(|_| call.version >= microversion::LIKE_FILTERS) {
        Some(word) => (word, true),
        None => (word, false),
    }
}

fn one(call: &Call, noun: &Noun, word: &str, value: &str, like: bool, filters: &mut Vec<Filter>) -> Result<(), Fault> {
    let filter = match noun.column(word) {
        Some(ColumnKind::Text(column)) if like => Filter::Like(column, value.to_owned()),
        Some(ColumnKind::Text(column) | ColumnKind::Reference(column)) => Filter::Equals(column, value.to_owned()),
        Some(ColumnKind::Integer(column)) => {
            value.trim().parse().map_or(Filter::Nothing, |number| Filter::EqualsInteger(column, number))
        }
        Some(ColumnKind::Truth(column)) => truth(call, word, column, value)?,
        Some(ColumnKind::Ended) => match boolean(value) {
            Some(ended) => Filter::IsUnfinished(!ended),
            None => return Err(Fault::bad_request(format!("Invalid input received: {word}={value}"))),
        },
        Some(ColumnKind::Time(column)) => return times(call, noun, column, value, filters),
        Some(ColumnKind::Metadata) if call.version < noun.metadata_since => return Ok(()),
        Some(ColumnKind::Metadata) => {
            match dictionary(value) {
                Some(pairs) => filters.extend(pairs.into_iter().map(|(key, value)| Filter::Metadata(key, value))),
                None => filters.push(Filter::Nothing),
            }
            return Ok(());
        }
        Some(ColumnKind::ImageMetadata) if call.version < microversion::IMAGE_METADATA_FILTER => return Ok(()),
        Some(ColumnKind::ImageMetadata) => {
            match dictionary(value) {
                Some(pairs) => filters.extend(pairs.into_iter().map(|(key, value)| Filter::ImageMetadata(key, value))),
                None => filters.push(Filter::Nothing),
            }
            return Ok(());
        }
        Some(ColumnKind::ConsumesQuota) if boolean(value) == Some(true) => return Ok(()),
        Some(ColumnKind::ConsumesQuota | ColumnKind::Unused) | None => Filter::Nothing,
    };
    filters.push(filter);
    Ok(())
}

fn truth(call: &Call, word: &str, column: &'static str, value: &str) -> Result<Filter, Fault> {
    match boolean(value) {
        Some(truth) => Ok(Filter::IsTrue(column, truth)),
        None if call.version < microversion::STRICT_BOOTABLE_FILTER => Ok(Filter::Nothing),
        None => Err(Fault::bad_request(format!("Invalid input received: {word}={value}"))),
    }
}

/// One instant, or from the noun's microversion on a list of comparisons: `gt:<instant>,lt:<instant>`.
fn times(call: &Call, noun: &Noun, column: &'static str, value: &str, filters: &mut Vec<Filter>) -> Result<(), Fault> {
    let operators = noun.time_operators_since.is_some_and(|since| call.version >= since);
    for comparison in value.split(',') {
        let (operator, instant) = match comparison.split_once(':') {
            Some((operator @ ("gt" | "gte" | "eq" | "neq" | "lt" | "lte"), instant)) if operators => {
                (operator, instant)
            }
            _ => ("eq", comparison),
        };
        let Some(instant) = Timestamp::parse(instant.trim()) else {
            if operators {
                let message = format!(
                    "Invalid input received: {column}={comparison}: give an ISO 8601 time after gt:, gte:, eq:, neq:, lt: or lte:."
                );
                return Err(Fault::bad_request(message));
            }
            filters.push(Filter::Nothing);
            continue;
        };
        // Times are whole microseconds, so "not before" is "after the microsecond before".
        let (before, after) = (instant.micros().saturating_sub(1), instant.micros().saturating_add(1));
        let not_before = Filter::After(column, Timestamp::from_micros(before));
        let not_after = Filter::Before(column, Timestamp::from_micros(after));
        match operator {
            "gt" => filters.push(Filter::After(column, instant)),
            "lt" => filters.push(Filter::Before(column, instant)),
            "neq" => filters.push(Filter::Differs(column, instant)),
            "gte" => filters.push(not_before),
            "lte" => filters.push(not_after),
            _ => filters.extend([not_before, not_after]),
        }
    }
    Ok(())
}

/// `{'key': 'value'}` as Python writes it; `None` for anything else.
pub(crate) fn dictionary(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut pairs = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return end.trim().is_empty().then_some(pairs);
        }
        let (key, after_key) = python_text(rest)?;
        let (value, after_value) = python_text(after_key.trim_start().strip_prefix(':')?.trim_start())?;
        pairs.push((key, value));
        let after_value = after_value.trim_start();
        rest = match after_value.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None => after_value.starts_with('}').then_some(after_value)?,
        };
    }
}

/// A text literal at the beginning, and what follows it.
fn python_text(text: &str) -> Option<(String, &str)> {
    // Python 2 clients write u'…'.
    let text = text.strip_prefix('u').unwrap_or(text);
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut literal = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => literal.push(characters.next()?.1),
            _ if character == quote => return Some((literal, &text[index + quote.len_utf8()..])),
            _ => literal.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries() {
        let pairs = |text| dictionary(text).map(|pairs| format!("{pairs:?}"));
        assert_eq!(pairs("{'a': 'b'}").as_deref(), Some(r#"[("a", "b")]"#));
        assert_eq!(pairs(r#"{"a": "b", u'c' : 'it\'s',}"#).as_deref(), Some(r#"[("a", "b"), ("c", "it's")]"#));
        assert_eq!(pairs("{}").as_deref(), Some("[]"));
        for bad in
            ["", "x", "{", "{'a'}", "{'a': 1}", "{'a': 'b'", "{'a': 'b'} x", "{'a': 'b' 'c': 'd'}", "{,}", "{'\\"]
        {
            assert_eq!(dictionary(bad), None, "{bad}");
        }
    }
}
