//! `/os-hosts`: hosts as operators of old see them (contract §1.9).

use domain::{Error, Kind};
use serde_json::{Value, json};

use crate::accept::services as accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, python};
use crate::views::service::{self, VOLUME_BINARY};

const BODY: Object = Object::open(&[Field::optional("status", Rule::Anything)]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/os-hosts", list, ok("Lists the hosts of services").reads(&["zone"]))
        .get("/os-hosts/{id}", show, ok("Shows what lies on a host"))
        .put("/os-hosts/{id}", update, ok("Switches a host's services on or off").takes(&BODY))
}

/// `GET /os-hosts[?zone=]`: those that are enabled.
async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::HOSTS)?;
    let zone = call.parameters.get("zone").filter(|zone| !zone.is_empty());
    let mut conn = call.app.database.read().await?;
    let services = db::services::list(&mut conn, None, None).await?;
    let alive_since = call.alive_since();
    let hosts: Vec<Value> = services
        .iter()
        .filter(|service| !service.disabled && zone.is_none_or(|zone| zone == service.availability_zone))
        .map(|row| service::host(row, alive_since))
        .collect();
    Ok(Answer::ok(json!({"hosts": hosts})))
}

/// `GET /os-hosts/{host}`: what lies on a host of volumes, by project.
async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::HOSTS)?;
    let host = call.id();
    let mut conn = call.app.database.read().await?;
    let service = db::services::get(&mut conn, host, VOLUME_BINARY).await?;
    if service.is_none_or(|service| service.disabled) {
        let message = format!("Service {VOLUME_BINARY} could not be found on host {host}.");
        return Err(Error::new(Kind::NotFound, message).into());
    }
    let held = db::volumes::held_by_host(&mut conn, host).await?;
    Ok(Answer::ok(service::host_usage(host, &held)))
}

/// `PUT /os-hosts/{host}`: enables or disables all services of the host.
async fn update(call: Call) -> Result<Answer, Fault> {
    call.require(rules::HOSTS)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?;
    let mut disabled = None;
    for (key, value) in fields.iter() {
        if key.trim().to_lowercase() != "status" {
            return Err(Fault::bad_request(format!("Invalid update setting: '{key}'")));
        }
        disabled = Some(match value.as_str().map(|word| word.trim().to_lowercase()).as_deref() {
            Some("enable") => false,
            Some("disable") => true,
            _ => return Err(Fault::bad_request(format!("Invalid status: '{}'", python::text(value)))),
        });
    }
    let Some(disabled) = disabled else { return Ok(Answer::ok(json!({}))) };
    accept::switch_host(&call, call.id(), disabled).await?;
    Ok(Answer::ok(json!({"host": call.id(), "status": if disabled { "disabled" } else { "enabled" }})))
}
