//! `/os-services`: what runs, and switching it (contract §1.9).

use domain::{Error, Kind};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::service;

const NAME: Rule = Rule::Text { min: 1, max: 255 };
pub(crate) const SWITCH: Object = Object::closed(&[
    Field::required("host", NAME),
    Field::optional("binary", NAME),
    Field::optional("service", NAME),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }),
])
.any_of(&["binary", "service"]);
pub(crate) const SWITCH_WITH_REASON: Object = Object::closed(&[
    Field::required("host", NAME),
    Field::optional("binary", NAME),
    Field::optional("service", NAME),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }),
    Field::required("disabled_reason", NAME),
])
.any_of(&["binary", "service"]);

/// `GET /os-services[?host=&binary=]`.
pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SERVICES_INDEX)?;
    let alive_since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let (host, binary) = (call.parameters.get("host"), call.parameters.get("binary"));
    let mut conn = call.app.database.read().await?;
    let services = db::services::list(&mut conn, host, binary).await?;
    let services: Vec<Value> = services.iter().map(|row| service::service(row, alive_since, call.viewer())).collect();
    Ok(Answer::ok(json!({"services": services})))
}

/// `PUT /os-services/enable`, `disable` and `disable-log-reason`. A disabled service takes no new work.
pub(crate) async fn switch(call: Call) -> Result<Answer, Fault> {
    let (shape, disabled) = match call.segment("verb") {
        "enable" => (&SWITCH, false),
        "disable" => (&SWITCH, true),
        "disable-log-reason" => (&SWITCH_WITH_REASON, true),
        _ => return Err(Fault::absent()),
    };
    let body = call.body()?;
    let fields = shape.check(&body, call.version)?;
    call.require(rules::SERVICES_UPDATE)?;
    let host = fields.text("host").unwrap_or_default();
    let binary = fields.text("binary").or_else(|| fields.text("service")).unwrap_or_default();
    let reason = fields.trimmed("disabled_reason");
    let mut tx = call.app.database.begin("switch service").await?;
    if !db::services::set_disabled(&mut tx, host, binary, disabled, reason.as_deref(), call.now).await? {
        let message = format!("Service {binary} could not be found on host {host}.");
        return Err(Error::new(Kind::NotFound, message).into());
    }
    tx.commit().await?;
    let status = if disabled { "disabled" } else { "enabled" };
    let mut view = json!({"host": host, "service": binary, "binary": binary, "status": status, "disabled": disabled});
    if let Some(reason) = reason {
        view["disabled_reason"] = reason.into();
    }
    Ok(Answer::ok(view))
}
