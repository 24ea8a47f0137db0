//! `ref`: what a pool's host knows an existing volume or snapshot by.

use serde_json::Value;

use crate::error::Fault;
use crate::schema::Fields;

/// The longest path that any host takes, in characters.
const SOURCE_MAX: usize = 4096;

/// `ref` names the source by one of two keys; the pool's host decides whether it may be taken.
pub(crate) fn read(fields: Fields<'_>) -> Result<String, Fault> {
    let named = fields.value("ref").and_then(Value::as_object).and_then(|reference| {
        let name = reference.get("source-name").or_else(|| reference.get("source-id"))?;
        name.as_str().filter(|name| !name.is_empty() && name.chars().count() <= SOURCE_MAX)
    });
    named.map(str::to_owned).ok_or_else(|| {
        Fault::bad_request("Invalid input received: ref must be an object with a 'source-name' or a 'source-id'.")
    })
}
