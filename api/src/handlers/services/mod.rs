//! `/os-services`: what runs, and switching it (contract §1.9). `DELETE /emberkeep/services/{host}/{binary}` forgets what is gone for
//! good: a route of our own, for Cinder has only a command for it (`cinder-manage service remove`).

mod freeze;
mod log;
mod switch;

use freeze::{FAILOVER, FREEZE};
use log::{GET_LOG, SET_LOG};
use switch::{SWITCH, SWITCH_WITH_REASON};

use serde_json::{Value, json};

use crate::accept::services as accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{LOG_LEVELS, REPLICATION_CLUSTER};
use crate::openapi::{Routes, ok, status};
use crate::policy::rules;
use crate::views::service;

pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = routes.delete(
        "/emberkeep/services/{host}/{binary}",
        forget,
        status(204, "Forgets a service that is down, until it reports again"),
    );
    routes.get("/os-services", list, ok("Lists what runs").reads(&["host", "binary"])).put(
        "/os-services/{verb}",
        act,
        ok("Switches a service on or off, freezes its backend, or changes its log")
            .or(202)
            .takes(&SWITCH)
            .takes(&SWITCH_WITH_REASON)
            .takes(&FREEZE)
            .takes(&FAILOVER)
            .takes(&SET_LOG)
            .takes(&GET_LOG),
    )
}

/// `GET /os-services[?host=&binary=]`; a host's name means its backends' services too.
async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SERVICES_INDEX)?;
    let alive_since = call.alive_since();
    let (host, binary) = (call.parameters.get("host"), call.parameters.get("binary"));
    let mut conn = call.app.database.read().await?;
    let services = db::services::list(&mut conn, host, binary).await?;
    let services: Vec<Value> = services.iter().map(|row| service::service(row, alive_since, call.viewer())).collect();
    Ok(Answer::ok(json!({"services": services})))
}

async fn forget(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SERVICES_UPDATE)?;
    accept::remove(&call, call.segment("host"), call.segment("binary")).await?;
    Ok(Answer::no_content())
}

/// `PUT /os-services/{verb}`.
async fn act(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SERVICES_UPDATE)?;
    let body = call.body()?;
    match call.segment("verb") {
        "enable" => switch::enable(&call, &body).await,
        "disable" => switch::disable(&call, &body).await,
        "disable-log-reason" => switch::disable_for_a_reason(&call, &body).await,
        "freeze" => freeze::freeze(&call, &body, true).await,
        "thaw" => freeze::freeze(&call, &body, false).await,
        "failover_host" => freeze::fail_over(&call, &body, false).await,
        "failover" if call.version >= REPLICATION_CLUSTER => freeze::fail_over(&call, &body, true).await,
        "set-log" if call.version >= LOG_LEVELS => log::set(&call, &body),
        "get-log" if call.version >= LOG_LEVELS => log::get(&call, &body),
        _ => Err(Fault::bad_request("Invalid input received: Unknown action")),
    }
}
