//! `GET /resource_filters` from 3.33 on: what lists may be filtered by (contract §1.10).

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::RESOURCE_FILTERS;
use crate::openapi::{Routes, ok};

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/resource_filters",
        list,
        ok("Lists by what lists can be filtered").since(RESOURCE_FILTERS).reads(&["resource"]),
    )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.since(RESOURCE_FILTERS)?;
    let asked = call.parameters.get("resource").filter(|resource| !resource.is_empty());
    let filters: Vec<Value> = call
        .app
        .filters
        .iter()
        .filter(|(resource, _)| asked.is_none_or(|asked| asked == *resource))
        .map(|(resource, words)| json!({"resource": resource, "filters": words}))
        .collect();
    Ok(Answer::ok(json!({"resource_filters": filters})))
}
