//! What a single value may be (contract §1.3 "Shared value types").

use serde_json::Value;
use uuid::Uuid;

use super::{Object, fields, python, refusal};
use crate::error::Fault;
use crate::microversion::Microversion;

/// The longest name, description, metadata key or value, in characters.
pub(crate) const TEXT_MAX: usize = 255;
/// The largest number that Cinder's integer columns hold.
pub(crate) const INTEGER_MAX: i64 = 2_147_483_647;

const METADATA_KEY: &str = "^[a-zA-Z0-9-_:. /]{1,255}$";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Anything,
    /// JSON true or false, or one of the words that Cinder takes for them.
    Boolean,
    Uuid,
    UuidOrNull,
    /// A text with so many characters.
    Text {
        min: usize,
        max: usize,
    },
    TextOrNull {
        max: usize,
    },
    /// A text of printable characters, or null.
    Description,
    /// A whole number of at least 1, or its digits in a text.
    Size,
    SizeOrNull,
    /// A whole number of at least -1, or its digits in a text.
    Limit,
    Word(&'static [&'static str]),
    Metadata,
    MetadataOrNull,
    /// `{key: value}` with exactly one pair.
    MetadataItem,
    Object(&'static Object),
    ObjectOrNull(&'static Object),
}

impl Rule {
    pub(crate) fn check(&self, value: &Value, place: &str, version: Microversion) -> Result<(), Fault> {
        let complaint = match self {
            Self::Anything => None,
            Self::Boolean => boolean(value),
            Self::Uuid => uuid(value),
            Self::UuidOrNull if value.is_null() || uuid(value).is_none() => None,
            Self::UuidOrNull => Some(no_schema(value)),
            Self::Text { min, max } => text(value, *min, *max),
            Self::TextOrNull { .. } | Self::Description if !value.is_string() => text_or_null(value),
            Self::TextOrNull { max } => text(value, 0, *max),
            Self::Description => text(value, 0, TEXT_MAX).or_else(|| printable(value)),
            Self::Size => number(value, 1, "'integer', 'string'"),
            Self::SizeOrNull if value.is_null() => None,
            Self::SizeOrNull => number(value, 1, "'integer', 'string', 'null'"),
            Self::Limit => number(value, -1, "'integer', 'string'"),
            Self::Word(words) => word(value, words),
            Self::MetadataOrNull | Self::ObjectOrNull(_) if value.is_null() => None,
            Self::Metadata => return metadata(value, place, "'object'"),
            Self::MetadataOrNull => return metadata(value, place, "'object', 'null'"),
            Self::MetadataItem => return metadata_item(value, place),
            Self::Object(object) | Self::ObjectOrNull(object) => {
                return object.check_at(value, Some(place), version).map(drop);
            }
        };
        complaint.map_or(Ok(()), |detail| Err(refusal(Some(place), value, &detail)))
    }
}

pub(super) fn no_schema(value: &Value) -> String {
    format!("{} is not valid under any of the given schemas", python::repr(value))
}

fn wrong_type(value: &Value, types: &str) -> Option<String> {
    Some(format!("{} is not of type {types}", python::repr(value)))
}

fn boolean(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) => None,
        Value::String(word) if fields::boolean_word(word).is_some() => None,
        Value::String(_) => {
            let words = |words: &[&str]| words.iter().map(|word| python::quoted(word)).collect::<Vec<_>>().join(", ");
            let (yes, no) = (words(fields::TRUE_WORDS), words(fields::FALSE_WORDS));
            Some(format!("{} is not one of [True, {yes}, False, {no}]", python::repr(value)))
        }
        other => wrong_type(other, "'boolean', 'string'"),
    }
}

fn uuid(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if Uuid::parse_str(text).is_ok() => None,
        Value::String(_) => Some(format!("{} is not a 'uuid'", python::repr(value))),
        other => wrong_type(other, "'string'"),
    }
}

fn text(value: &Value, min: usize, max: usize) -> Option<String> {
    let Value::String(text) = value else { return wrong_type(value, "'string'") };
    match text.chars().count() {
        length if length < min => Some(format!("{} is too short", python::repr(value))),
        length if length > max => Some(format!("{} is too long", python::repr(value))),
        _ => None,
    }
}

fn text_or_null(value: &Value) -> Option<String> {
    if value.is_null() { None } else { wrong_type(value, "'string', 'null'") }
}

fn printable(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let pattern = "^[printable characters]*$";
    (!text.chars().all(python::is_printable)).then(|| format!("{} does not match '{pattern}'", python::repr(value)))
}

fn number(value: &Value, min: i64, types: &str) -> Option<String> {
    let number = match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => number.as_i64().unwrap_or(i64::MAX),
        Value::String(digits) if is_whole(digits, min < 0) => digits.parse().unwrap_or(i64::MAX),
        Value::String(_) => {
            let pattern = if min < 0 { "^[-]?[0-9]+$" } else { "^[0-9]+$" };
            return Some(format!("{} does not match '{pattern}'", python::repr(value)));
        }
        other => return wrong_type(other, types),
    };
    if number < min {
        return Some(format!("{} is less than the minimum of {min}", python::text(value)));
    }
    (number > INTEGER_MAX).then(|| format!("{} is greater than the maximum of {INTEGER_MAX}", python::text(value)))
}

fn is_whole(digits: &str, signed: bool) -> bool {
    let digits = if signed { digits.strip_prefix('-').unwrap_or(digits) } else { digits };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn word(value: &Value, words: &[&str]) -> Option<String> {
    if value.as_str().is_some_and(|word| words.contains(&word)) {
        return None;
    }
    let words = words.iter().map(|word| python::quoted(word)).collect::<Vec<_>>().join(", ");
    Some(format!("{} is not one of [{words}]", python::repr(value)))
}

fn metadata(value: &Value, place: &str, types: &str) -> Result<(), Fault> {
    let Value::Object(pairs) = value else {
        let detail = wrong_type(value, types).unwrap_or_default();
        return Err(refusal(Some(place), value, &detail));
    };
    for (key, item) in pairs.iter().filter(|(key, _)| is_metadata_key(key)) {
        if let Some(detail) = text(item, 0, TEXT_MAX) {
            return Err(refusal(Some(key), item, &detail));
        }
    }
    match pairs.keys().find(|key| !is_metadata_key(key)) {
        None => Ok(()),
        Some(key) => {
            let detail = format!("{} does not match any of the regexes: '{METADATA_KEY}'", python::quoted(key));
            Err(refusal(Some(place), value, &detail))
        }
    }
}

fn metadata_item(value: &Value, place: &str) -> Result<(), Fault> {
    metadata(value, place, "'object'")?;
    match value.as_object().map_or(0, serde_json::Map::len) {
        0 => Err(refusal(Some(place), value, &format!("{} does not have enough properties", python::repr(value)))),
        1 => Ok(()),
        _ => Err(refusal(Some(place), value, &format!("{} has too many properties", python::repr(value)))),
    }
}

fn is_metadata_key(key: &str) -> bool {
    let known = |character: char| character.is_ascii_alphanumeric() || "-_:. /".contains(character);
    (1..=TEXT_MAX).contains(&key.chars().count()) && key.chars().all(known)
}
