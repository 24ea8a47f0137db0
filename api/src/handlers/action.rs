//! `POST …/action`: the body's one key says what to do (contract §1.3.5).

use serde_json::Value;

use crate::call::Call;
use crate::error::Fault;

/// The body, and the name of the action it asks for.
pub(crate) fn read(call: &Call) -> Result<(String, Value), Fault> {
    let Some(body) = call.optional_body()? else { return Err(unknown("None")) };
    let Value::Object(map) = &body else { return Err(Fault::malformed_body()) };
    let mut names = map.keys();
    match (names.next(), names.next()) {
        (None, _) => Err(unknown("None")),
        (Some(name), None) => Ok((name.clone(), body)),
        (Some(_), Some(_)) => Err(Fault::malformed_body()),
    }
}

pub(crate) fn unknown(name: &str) -> Fault {
    Fault::bad_request(format!(
        "There is no such action: {name}. Verify the request body and Content-Type header and try again."
    ))
}
