//! What a single value may be (contract §1.3 "Shared value types").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use super::{Object, fields, python, refusal};
use crate::error::Fault;
use crate::microversion::Microversion;

/// The longest name, description, metadata key or value, in characters.
pub(crate) const TEXT_MAX: usize = 255;
/// The largest number that Cinder's integer columns hold.
pub(crate) const INTEGER_MAX: i64 = 2_147_483_647;

/// What a dictionary of texts may hold.
#[derive(Clone, Copy)]
struct Dictionary {
    /// The characters of its keys besides letters and digits, as the refusal writes them.
    signs: &'static str,
    /// What the whole may be.
    types: &'static str,
    nulls: bool,
}

const METADATA: Dictionary = Dictionary { signs: "-_:. /", types: "'object'", nulls: false };
const METADATA_OR_NULL: Dictionary = Dictionary { types: "'object', 'null'", ..METADATA };
const SPECS: Dictionary = Dictionary { nulls: true, ..METADATA };
const NARROW_SPECS: Dictionary = Dictionary { signs: "-_:.", ..SPECS };

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
    /// As `Text`, and more than blanks.
    Name,
    /// A text of at least one character that base64 can say.
    Base64,
    /// A text of printable characters, or null.
    Description,
    /// A whole number of at least 1, or its digits in a text.
    Size,
    SizeOrNull,
    /// A whole number of at least -1, or its digits in a text.
    Limit,
    /// A whole number of at least 0, or its digits in a text, or null.
    CountOrNull,
    Word(&'static [&'static str]),
    Metadata,
    MetadataOrNull,
    /// `{key: value}` with exactly one pair.
    MetadataItem,
    /// As metadata; a value may also be null.
    Specs,
    /// As `Specs`, without blanks and slashes in keys.
    NarrowSpecs,
    /// `{key: value}` with exactly one pair of `NarrowSpecs`.
    NarrowSpecsItem,
    /// Different texts of 1 to 255 characters.
    Words,
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
            Self::Name => text(value, 1, TEXT_MAX).or_else(|| not_blank(value)),
            Self::Base64 => text(value, 1, usize::MAX).or_else(|| base64(value)),
            Self::Description => text(value, 0, TEXT_MAX).or_else(|| printable(value)),
            Self::Size => number(value, 1, "'integer', 'string'"),
            Self::SizeOrNull if value.is_null() => None,
            Self::SizeOrNull => number(value, 1, "'integer', 'string', 'null'"),
            Self::Limit => number(value, -1, "'integer', 'string'"),
            Self::CountOrNull if value.is_null() => None,
            Self::CountOrNull => number(value, 0, "'string', 'integer', 'null'"),
            Self::Word(words) => word(value, words),
            Self::MetadataOrNull | Self::ObjectOrNull(_) if value.is_null() => None,
            Self::Metadata => return METADATA.check(value, place),
            Self::MetadataOrNull => return METADATA_OR_NULL.check(value, place),
            Self::MetadataItem => return METADATA.check_item(value, place),
            Self::Specs => return SPECS.check(value, place),
            Self::NarrowSpecs => return NARROW_SPECS.check(value, place),
            Self::NarrowSpecsItem => return NARROW_SPECS.check_item(value, place),
            Self::Words => words(value),
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

fn base64(value: &Value) -> Option<String> {
    let compact: String = value.as_str()?.chars().filter(|symbol| !symbol.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).is_err().then(|| format!("{} is not a 'base64'", python::repr(value)))
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

fn words(value: &Value) -> Option<String> {
    let Value::Array(items) = value else { return wrong_type(value, "'array'") };
    if let Some(complaint) = items.iter().find_map(|item| text(item, 1, TEXT_MAX)) {
        return Some(complaint);
    }
    let repeated = items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|earlier| earlier == item));
    repeated.then(|| format!("{} has non-unique elements", python::repr(value)))
}

fn not_blank(value: &Value) -> Option<String> {
    value.as_str().is_some_and(|name| name.trim().is_empty()).then(|| "The 'name' can not be empty.".to_owned())
}

impl Dictionary {
    fn check(self, value: &Value, place: &str) -> Result<(), Fault> {
        let Value::Object(pairs) = value else {
            let detail = wrong_type(value, self.types).unwrap_or_default();
            return Err(refusal(Some(place), value, &detail));
        };
        for (key, item) in pairs.iter().filter(|(key, _)| self.is_key(key)) {
            let complaint = match item {
                Value::Null if self.nulls => None,
                Value::String(_) => text(item, 0, TEXT_MAX),
                _ if self.nulls => wrong_type(item, "'string', 'null'"),
                _ => wrong_type(item, "'string'"),
            };
            if let Some(detail) = complaint {
                return Err(refusal(Some(key), item, &detail));
            }
        }
        match pairs.keys().find(|key| !self.is_key(key)) {
            None => Ok(()),
            Some(key) => {
                let pattern = format!("^[a-zA-Z0-9{}]{{1,255}}$", self.signs);
                let detail = format!("{} does not match any of the regexes: '{pattern}'", python::quoted(key));
                Err(refusal(Some(place), value, &detail))
            }
        }
    }

    fn check_item(self, value: &Value, place: &str) -> Result<(), Fault> {
        self.check(value, place)?;
        match value.as_object().map_or(0, serde_json::Map::len) {
            0 => Err(refusal(Some(place), value, &format!("{} does not have enough properties", python::repr(value)))),
            1 => Ok(()),
            _ => Err(refusal(Some(place), value, &format!("{} has too many properties", python::repr(value)))),
        }
    }

    fn is_key(self, key: &str) -> bool {
        let known = |character: char| character.is_ascii_alphanumeric() || self.signs.contains(character);
        (1..=TEXT_MAX).contains(&key.chars().count()) && key.chars().all(known)
    }
}
