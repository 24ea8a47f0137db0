//! `/clusters` from 3.7 on: workers that reach the same pools need no cluster here, so that there are none.

use domain::Error;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{REPLICATION_CLUSTER, SERVICE_CLUSTER};
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const NAME: Rule = Rule::Text { min: 1, max: 255 };
const TEXT_OR_NULL: Rule = Rule::TextOrNull { max: 255 };
const ENABLE: Object = Object::closed(&[Field::required("name", NAME), Field::optional("binary", TEXT_OR_NULL)]);
const DISABLE: Object = Object::closed(&[
    Field::required("name", NAME),
    Field::optional("binary", TEXT_OR_NULL),
    Field::optional("disabled_reason", TEXT_OR_NULL),
]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/clusters", list, ok("Lists clusters; there are none").since(SERVICE_CLUSTER))
        .get("/clusters/detail", list, ok("Lists clusters; there are none").since(SERVICE_CLUSTER))
        .get("/clusters/{id}", show, ok("Shows a cluster; there are none").since(SERVICE_CLUSTER))
        .put(
            "/clusters/{id}",
            update,
            ok("Switches a cluster on or off; there are none").since(SERVICE_CLUSTER).takes(&ENABLE).takes(&DISABLE),
        )
}

const FILTERS: [&str; 6] = ["name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts"];
const REPLICATION_FILTERS: [&str; 3] = ["replication_status", "frozen", "active_backend_id"];

/// `GET /clusters` and `/clusters/detail`.
async fn list(call: Call) -> Result<Answer, Fault> {
    call.since(SERVICE_CLUSTER)?;
    call.require(rules::CLUSTERS_GET_ALL)?;
    let with_replication = call.version >= REPLICATION_CLUSTER;
    let known = |name: &str| FILTERS.contains(&name) || with_replication && REPLICATION_FILTERS.contains(&name);
    let unknown: Vec<&str> = call.parameters.iter().map(|(name, _)| name).filter(|name| !known(name)).collect();
    if !unknown.is_empty() {
        let message = format!("Invalid input received: Invalid filter keys: {}", unknown.join(", "));
        return Err(Fault::bad_request(message));
    }
    call.parameters.switch("disabled")?;
    call.parameters.switch("is_up")?;
    Ok(Answer::ok(json!({"clusters": []})))
}

/// `GET /clusters/{name}`.
async fn show(call: Call) -> Result<Answer, Fault> {
    call.since(SERVICE_CLUSTER)?;
    call.require(rules::CLUSTERS_GET)?;
    Err(Error::not_found("Cluster", call.id()).into())
}

/// `PUT /clusters/enable` and `/clusters/disable`.
async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(SERVICE_CLUSTER)?;
    call.require(rules::CLUSTERS_UPDATE)?;
    let shape = match call.id() {
        "enable" => &ENABLE,
        "disable" => &DISABLE,
        _ => return Err(Fault::not_found("Unknown action")),
    };
    let body = call.body()?;
    let fields = shape.check(&body, call.version)?;
    Err(Error::not_found("Cluster", fields.text("name").unwrap_or_default()).into())
}
