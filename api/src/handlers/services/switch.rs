//! `PUT /os-services/enable`, `disable` and `disable-log-reason`: a disabled service takes no new work.

use serde_json::{Value, json};

use crate::accept::services as accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::schema::{Field, Fields, Object, Rule};

const NAME: Rule = Rule::Text { min: 1, max: 255 };
pub(super) const SWITCH: Object = Object::closed(&[
    Field::optional("host", Rule::TextOrNull { max: 255 }),
    Field::optional("binary", NAME),
    Field::optional("service", NAME),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }),
])
.any_of(&["binary", "service"]);
pub(super) const SWITCH_WITH_REASON: Object = Object::closed(&[
    Field::optional("host", Rule::TextOrNull { max: 255 }),
    Field::optional("binary", NAME),
    Field::optional("service", NAME),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }),
    Field::required("disabled_reason", NAME),
])
.any_of(&["binary", "service"]);

pub(super) async fn enable(call: &Call, body: &Value) -> Result<Answer, Fault> {
    switch(call, SWITCH.check(body, call.version)?, false).await
}

pub(super) async fn disable(call: &Call, body: &Value) -> Result<Answer, Fault> {
    switch(call, SWITCH.check(body, call.version)?, true).await
}

pub(super) async fn disable_for_a_reason(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = SWITCH_WITH_REASON.check(body, call.version)?;
    if fields.trimmed("disabled_reason").is_none_or(|reason| reason.is_empty()) {
        return Err(Fault::bad_request(
            "Invalid input received: Disabled reason contains invalid characters or is too long",
        ));
    }
    switch(call, fields, true).await
}

async fn switch(call: &Call, fields: Fields<'_>, disabled: bool) -> Result<Answer, Fault> {
    let host = fields.text("host").filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Fault::bad_request("Invalid input received: Host field is missing."))?;
    let binary = fields.text("binary").or_else(|| fields.text("service")).unwrap_or_default();
    let reason = fields.trimmed("disabled_reason");
    accept::switch(call, host, binary, disabled, reason.as_deref()).await?;
    let status = if disabled { "disabled" } else { "enabled" };
    let mut view = json!({"host": host, "service": binary, "binary": binary, "status": status, "disabled": disabled});
    if let Some(reason) = reason {
        view["disabled_reason"] = reason.into();
    }
    Ok(Answer::ok(view))
}
