//! `POST /volume-transfers/{id}/accept` → 202: the volume is the caller's now.

use serde_json::{Value, json};

use crate::accept::transfers;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::transfer::summary;

const ACCEPT: Object = Object::closed(&[Field::required("auth_key", Rule::Anything)]);
pub(super) const BODY: Object = Object::closed(&[Field::required("accept", Rule::Object(&ACCEPT))]);

pub(super) async fn accept(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("accept").ok_or_else(Fault::malformed)?;
    let key = key(fields.value("auth_key"))?;
    call.require(rules::VOLUME_ACCEPT_TRANSFER)?;
    let transfer = transfers::accept(&call, call.id(), &key).await?;
    Ok(Answer::accepted(json!({"transfer": summary(&transfer, call.viewer())})))
}

/// A text, or a number that some client made of it.
fn key(value: Option<&Value>) -> Result<String, Fault> {
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        _ => Err(Fault::bad_request(
            "Invalid input for field/attribute auth_key. The key must be of type 'string', 'integer'",
        )),
    }
}
