//! `/qos-specs`: named limits that types are to be held to (contract §1.10). Nothing here enforces them.

mod associations;
mod create;
mod delete;
mod list;
mod show;
mod update;

use create::create;
use delete::{delete, delete_keys};
use list::list;
use show::show;
use update::update;

use std::collections::BTreeMap;

use domain::{Error, Result};
use serde_json::Value;

use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;
use crate::schema::{TEXT_MAX, python};

const CONSUMER: &str = "consumer";

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/qos-specs", list, ok("Lists qos specs").lists(&paging::QOS_SPECS).of(answers::QOS_SPECS))
        .post(
            "/qos-specs",
            create,
            ok("Makes qos specs").takes(&create::BODY).gives_whole(answers::QOS_SPECS_WITH_LINKS),
        )
        .get("/qos-specs/{id}", show, ok("Shows qos specs").gives_whole(answers::QOS_SPECS_WITH_LINKS))
        .put("/qos-specs/{id}", update, ok("Adds to qos specs").takes(&update::BODY).gives_pairs("qos_specs"))
        .delete("/qos-specs/{id}", delete, accepted("Deletes qos specs").reads(&["force"]))
        .put("/qos-specs/{id}/delete_keys", delete_keys, accepted("Takes limits away").takes(&delete::KEYS))
        .with(associations::routes)
}

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
