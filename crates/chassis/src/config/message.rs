//! What the parser says of a value, in words for whoever wrote it, and without the value.

/// From this likeness on a name is taken for a misspelt other one.
const ALIKE: f64 = 0.75;

/// ``invalid type: string "hunter2", expected u64`` → `invalid type: string, expected u64`: values may be secrets. Of a name
/// that is not known, what it may have been meant to be.
pub(super) fn for_people(key: &str, message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown(key, rest);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{} must be given", name.trim());
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.trim().to_owned() };
    if !found.starts_with("invalid ") {
        return message.trim().to_owned();
    }
    let kind = found.split(['"', '`']).next().unwrap_or_default();
    format!("{}, expected {}", kind.trim_end(), expected.trim())
}

/// `rest` is the name and the known ones, each in backticks, as serde's derive writes it.
fn unknown(key: &str, rest: &str) -> String {
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let kind = if key.contains('.') { "option" } else { "section" };
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    let nearest = known.iter().copied().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
    match nearest.filter(|other| likeness(other) >= ALIKE) {
        Some(nearest) => format!("there is no such {kind}: did you mean `{nearest}`?"),
        None => format!("there is no such {kind}; there are {}", known.join(", ")),
    }
}
