//! `/qos-specs`: named limits that types are to be held to (contract §1.10). Nothing here enforces them.

pub(crate) mod associations;
pub(crate) mod create;
pub(crate) mod delete;
mod list;
mod show;
pub(crate) mod update;

pub(crate) use create::create;
pub(crate) use delete::{delete, delete_keys};
pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use update::update;

use std::collections::BTreeMap;

use domain::{Error, Result};
use serde_json::Value;

use crate::schema::{TEXT_MAX, python};

const CONSUMER: &str = "consumer";

/// Who is to obey, and the limits: they stand side by side in a body.
fn parts<'a>(given: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<(Option<String>, BTreeMap<String, String>)> {
    let mut consumer = None;
    let mut values = BTreeMap::new();
    for (key, value) in given {
        let value = text(key, value)?;
        match key {
            CONSUMER => consumer = value,
            _ => drop(values.insert(key.to_owned(), value.unwrap_or_default())),
        }
    }
    match consumer.as_deref() {
        None | Some("front-end" | "back-end" | "both") => Ok((consumer, values)),
        Some(_) => {
            let message = "Invalid qos specs: Valid consumer of QoS specs are: ['back-end', 'both', 'front-end']";
            Err(Error::invalid(message))
        }
    }
}

fn text(key: &str, value: &Value) -> Result<Option<String>> {
    if key.is_empty() || key.chars().count() > TEXT_MAX {
        let key = python::quoted(key);
        return Err(Error::invalid(format!("Invalid input received: Key {key} must have 1 to {TEXT_MAX} characters.")));
    }
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().count() <= TEXT_MAX => Ok(Some(text.clone())),
        Value::String(_) => Err(Error::invalid(format!(
            "Invalid input received: Value for key \"{key}\" has more than {TEXT_MAX} characters."
        ))),
        other => Err(Error::invalid(format!(
            "Invalid input received: Value for key \"{key}\" is not a string: {}",
            python::repr(other)
        ))),
    }
}
