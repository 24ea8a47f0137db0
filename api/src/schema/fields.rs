//! Reads the fields of a body that was checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(super) const TRUE_WORDS: &[&str] = &["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t"];
pub(super) const FALSE_WORDS: &[&str] =
    &["False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"];

/// All words that say something as a boolean.
pub(crate) fn boolean_words() -> impl Iterator<Item = &'static str> {
    TRUE_WORDS.iter().chain(FALSE_WORDS).copied()
}

/// What a word says as a boolean; `None` when it is none.
pub(crate) fn boolean_word(word: &str) -> Option<bool> {
    if TRUE_WORDS.contains(&word) {
        return Some(true);
    }
    FALSE_WORDS.contains(&word).then_some(false)
}

/// The fields of one object. A field that is absent, or of a type that the check would have refused, reads as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) const fn new(map: &'a Map<String, Value>) -> Self {
        Self(map)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The field, unless it is absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The field, null or not, unless it is absent.
    pub(crate) fn given(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// All fields, for objects whose keys are not known beforehand.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn object(&self, name: &str) -> Option<Fields<'a>> {
        self.value(name)?.as_object().map(Fields)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    /// A text without blanks at its ends, as names and descriptions are kept.
    pub(crate) fn trimmed(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| text.trim().to_owned())
    }

    /// For updates: whether the first of `names` that is given sets a text (`Some(Some)`) or clears it (`Some(None)`).
    pub(crate) fn change(&self, names: &[&str]) -> Option<Option<String>> {
        let name = names.iter().find(|name| self.0.contains_key(**name))?;
        Some(self.trimmed(name))
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::String(word) => boolean_word(word),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        integer(self.value(name)?)
    }

    pub(crate) fn pairs(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let pairs = self.value(name)?.as_object()?;
        Some(pairs.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
    }
}

/// The texts of a dictionary in which null counts as the empty text.
pub(crate) fn specs(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// A JSON number, or one written in a text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}
