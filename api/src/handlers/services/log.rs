//! `PUT /os-services/set-log` and `get-log`: what this process writes to its log, changed and shown while it runs.
//!
//! Only this process is reached: in a deployment of several, each other one keeps what its file says.

use chassis::telemetry;
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::schema::{Field, Fields, Object, Rule};

const API_BINARY: &str = "cinder-api";
const BINARIES: &[&str] = &["cinder-scheduler", "cinder-volume", "cinder-backup", API_BINARY, "", "*"];
const TEXT_OR_NULL: Rule = Rule::TextOrNull { max: 255 };
pub(super) const SET_LOG: Object = Object::closed(&[
    Field::optional("binary", Rule::Word(BINARIES)),
    Field::optional("server", TEXT_OR_NULL),
    Field::optional("prefix", TEXT_OR_NULL),
    Field::optional("level", TEXT_OR_NULL),
]);
pub(super) const GET_LOG: Object = Object::closed(&[
    Field::optional("binary", Rule::Word(BINARIES)),
    Field::optional("server", TEXT_OR_NULL),
    Field::optional("prefix", TEXT_OR_NULL),
]);

pub(super) fn set(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = SET_LOG.check(body, call.version)?;
    let word = fields.text("level").unwrap_or_default();
    let level = telemetry::LogLevel::parse(word)
        .ok_or_else(|| Fault::bad_request(format!("Invalid input received: {word} is not a valid log level.")))?;
    if means_this_process(fields) {
        let prefix = fields.text("prefix").unwrap_or_default();
        telemetry::set_log_level(prefix, level).map_err(|()| {
            Fault::bad_request(format!("Invalid input received: {prefix} is no part of this service."))
        })?;
        tracing::info!(prefix, level = level.as_str(), "log level set");
    }
    Ok(Answer::accepted_silently())
}

pub(super) fn get(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = GET_LOG.check(body, call.version)?;
    let mut levels = Vec::new();
    if means_this_process(fields) {
        let shown: Map<String, Value> = telemetry::log_levels(fields.text("prefix").unwrap_or_default())
            .into_iter()
            .map(|(target, level)| (target, level.as_str().into()))
            .collect();
        levels.push(json!({"host": stdx::host::name(), "binary": API_BINARY, "levels": shown}));
    }
    Ok(Answer::ok(json!({"log_levels": levels})))
}

fn means_this_process(fields: Fields<'_>) -> bool {
    let binary = fields.text("binary").unwrap_or_default();
    let server = fields.text("server").unwrap_or_default();
    matches!(binary, "" | "*" | API_BINARY) && (server.is_empty() || server == stdx::host::name())
}
