//! Writes the document from the routes.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answers::closed;
use super::operation::{About, Operation};
use super::routes::{Needs, Routes};
use super::schema::mark_since;
use crate::error;
use crate::microversion::{MAX, MIN};

const ABOUT: &str = "Volumes, snapshots and backups: the Block Storage API of OpenStack, version 3.\n\nEvery path below /v3 \
                     is there a second time below /v3/{project_id}. What came with a microversion says so under x-openstack; a \
                     request without OpenStack-API-Version gets the oldest one.";

/// Faults that any operation with a token can answer.
const COMMON_FAULTS: [u16; 7] = [400, 401, 403, 404, 406, 413, 503];
/// Faults of operations that change something: another's change, a quota.
const CHANGE_FAULTS: [u16; 1] = [409];

pub(super) fn write(groups: &[Routes]) -> Value {
    let mut paths = Map::new();
    let mut faults = BTreeSet::new();
    for routes in groups {
        for operation in &routes.operations {
            let path = format!("{}{}", routes.prefix, operation.path);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[operation.method] = describe(operation, routes.needs, &mut faults);
        }
    }
    let faults: Map<String, Value> = faults.into_iter().map(|status| (fault_name(status), fault(status))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Emberkeep", "version": MAX.to_string(), "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "parameters": {"version": version_parameter()},
            "responses": faults,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    })
}

fn describe(operation: &Operation, needs: Needs, faults: &mut BTreeSet<u16>) -> Value {
    let Operation { method, path, about } = operation;
    let words = path.replace(['/', '.'], "-").replace(['{', '}'], "");
    let mut described = json!({
        "operationId": format!("{method}{words}"),
        "summary": about.summary,
        "tags": [tag(path, needs)],
        "parameters": parameters(operation, needs),
        "responses": responses(operation, needs, faults),
    });
    mark_since(&mut described, about.since);
    if let Some(schema) = body(about) {
        described["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if needs == Needs::Token {
        described["security"] = json!([{"token": []}]);
    }
    described
}

fn tag(path: &'static str, needs: Needs) -> &'static str {
    if needs == Needs::Token { path.split('/').nth(1).unwrap_or_default() } else { "discovery" }
}

fn parameters(operation: &Operation, needs: Needs) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect();
    let paging = operation.about.lists.map(|noun| noun.parameters()).unwrap_or_default();
    let query = operation.about.query.iter().copied().chain(paging);
    parameters.extend(query.map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}})));
    if needs != Needs::Nothing {
        parameters.push(json!({"$ref": "#/components/parameters/version"}));
    }
    parameters
}

fn version_parameter() -> Value {
    json!({
        "name": "OpenStack-API-Version",
        "in": "header",
        "description": format!("`volume` and a microversion between {MIN} and {MAX}, or `volume latest`"),
        "schema": {"type": "string", "pattern": "^volume (latest|3\\.([0-9]|[1-6][0-9]|7[01]))$"},
    })
}

/// What a body may look like; `None` where none is read.
fn body(about: &About) -> Option<Value> {
    let shapes = about.bodies.iter().map(|(since, shape)| {
        let mut schema = shape.schema();
        mark_since(&mut schema, *since);
        let next = about.bodies.iter().map(|(next, _)| *next).filter(|next| next > since).min();
        if let Some(next) = next {
            schema["x-openstack"]["max-ver"] = next.before().to_string().into();
        }
        schema
    });
    let actions = about.actions.iter().map(|action| {
        let mut schema = match action.body {
            Some(shape) => shape.schema(),
            None => json!({
                "type": "object", "required": [action.name], "properties": {action.name: {}}, "additionalProperties": false,
            }),
        };
        schema["title"] = action.name.into();
        mark_since(&mut schema, action.since);
        schema
    });
    let mut alternatives: Vec<Value> = shapes.chain(actions).collect();
    match alternatives.len() {
        0 => None,
        1 => alternatives.pop(),
        _ => Some(json!({ "anyOf": alternatives })),
    }
}

fn responses(operation: &Operation, needs: Needs, faults: &mut BTreeSet<u16>) -> Value {
    let about = &operation.about;
    let mut responses = Map::new();
    let mut successes: BTreeSet<u16> = match about.actions {
        [] => [about.success].into(),
        actions => actions.iter().map(|action| action.success).collect(),
    };
    successes.extend(about.others.iter().filter(|status| **status < 400));
    for success in successes {
        let mut response = json!({"description": reason(success)});
        if about.streams && success == about.success {
            response["content"] = json!({"text/event-stream": {"schema": {"type": "string"}}});
        }
        if let Some(schema) = about.answer() {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        responses.insert(success.to_string(), response);
    }
    for status in refusals(operation, needs) {
        faults.insert(status);
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{}", fault_name(status))}));
    }
    responses.into()
}

fn refusals(operation: &Operation, needs: Needs) -> BTreeSet<u16> {
    let mut statuses: BTreeSet<u16> = operation.about.others.iter().copied().filter(|status| *status >= 400).collect();
    match needs {
        Needs::Nothing => {}
        Needs::Version => statuses.extend([400, 406]),
        Needs::Token => {
            statuses.extend(COMMON_FAULTS);
            if operation.method != "get" {
                statuses.extend(CHANGE_FAULTS);
            }
            if body(&operation.about).is_some() {
                statuses.insert(415);
            }
        }
    }
    statuses
}

fn fault_name(status: u16) -> String {
    format!("fault-{status}")
}

/// The response with which a status refuses. An unknown path is a page, and a stale tag says nothing.
fn fault(status: u16) -> Value {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json!({"description": reason(status)});
    if code == StatusCode::PRECONDITION_FAILED {
        return response;
    }
    let name = error::name(code);
    let mut fault = json!({"code": {"const": status}, "message": {"type": "string", "minLength": 1}});
    if code == StatusCode::PAYLOAD_TOO_LARGE {
        fault["retryAfter"] = json!({"type": "string", "pattern": "^[0-9]+$"});
    }
    let fault = closed(fault);
    response["content"] = json!({"application/json": {"schema": closed(json!({ name: fault }))}});
    if code == StatusCode::NOT_FOUND {
        response["content"]["text/html"] = json!({"schema": {"type": "string"}});
    }
    response
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("A refusal")
}
