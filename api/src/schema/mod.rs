//! Declares what a request's JSON may look like and refuses the rest in Cinder's words (contract §1.3.4).
//!
//! A handler holds its body's shape as a constant [`Object`]; [`Object::check`] walks it in the order in which
//! JSON Schema would, so the first complaint is the one that Cinder names.

mod fields;
pub(crate) mod python;
mod rule;

pub(crate) use fields::{Fields, boolean_words, integer, specs};
pub(crate) use rule::{INTEGER_MAX, Rule, TEXT_MAX};

use serde_json::{Map, Value};

use crate::error::Fault;
use crate::microversion::{self, Microversion};

/// A JSON object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) others: Others,
    /// At least one of these, when the list is not empty.
    pub(crate) any_of: &'static [&'static str],
}

/// What happens to keys that no field names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Others {
    Refused,
    Ignored,
}

/// One key of an [`Object`].
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) rule: Rule,
    pub(crate) required: bool,
    /// Before this microversion the key is not known.
    pub(crate) since: Microversion,
}

impl Object {
    /// No keys but these.
    pub(crate) const fn closed(fields: &'static [Field]) -> Self {
        Self { fields, others: Others::Refused, any_of: &[] }
    }

    /// Other keys are ignored.
    pub(crate) const fn open(fields: &'static [Field]) -> Self {
        Self { fields, others: Others::Ignored, any_of: &[] }
    }

    /// At least one of `names` must be there.
    pub(crate) const fn any_of(mut self, names: &'static [&'static str]) -> Self {
        self.any_of = names;
        self
    }

    /// Checks a whole body.
    pub(crate) fn check<'a>(&'static self, body: &'a Value, version: Microversion) -> Result<Fields<'a>, Fault> {
        self.check_at(body, None, version).map(Fields::new)
    }

    fn check_at<'a>(
        &'static self,
        value: &'a Value,
        place: Option<&str>,
        version: Microversion,
    ) -> Result<&'a Map<String, Value>, Fault> {
        let refuse = |detail: String| refusal(place, value, &detail);
        let Value::Object(map) = value else {
            return Err(refuse(format!("{} is not of type 'object'", python::repr(value))));
        };
        let known = || self.fields.iter().filter(|field| version >= field.since);
        for field in known() {
            if let Some(value) = map.get(field.name) {
                field.rule.check(value, field.name, version)?;
            }
        }
        if let Some(field) = known().find(|field| field.required && !map.contains_key(field.name)) {
            return Err(refuse(format!("{} is a required property", python::quoted(field.name))));
        }
        if self.others == Others::Refused {
            let strangers = map.keys().filter(|key| known().all(|field| field.name != *key));
            let strangers: Vec<_> = strangers.map(|key| python::quoted(key)).collect();
            if !strangers.is_empty() {
                let verb = if strangers.len() == 1 { "was" } else { "were" };
                let strangers = strangers.join(", ");
                return Err(refuse(format!("Additional properties are not allowed ({strangers} {verb} unexpected)")));
            }
        }
        if !self.any_of.is_empty() && self.any_of.iter().all(|name| !map.contains_key(*name)) {
            return Err(refuse(rule::no_schema(value)));
        }
        Ok(map)
    }
}

impl Field {
    /// A key that may be left out.
    pub(crate) const fn optional(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, required: false, since: microversion::MIN }
    }

    /// A key that must be there.
    pub(crate) const fn required(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, required: true, since: microversion::MIN }
    }

    /// The key came with this microversion.
    pub(crate) const fn since(mut self, version: Microversion) -> Self {
        self.since = version;
        self
    }
}

/// Bare at the top of the body, with field and value further down.
fn refusal(place: Option<&str>, value: &Value, detail: &str) -> Fault {
    Fault::bad_request(match place {
        None => detail.to_owned(),
        Some(place) => {
            format!("Invalid input for field/attribute {place}. Value: {}. {detail}", python::text(value))
        }
    })
}

#[cfg(test)]
mod tests;
