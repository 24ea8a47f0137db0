//! Holds every request of every test, and its answer, against `/openapi.json`: what the document says must be so.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use http::{HeaderMap, Method};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::world::{OURS, Reply, THEIRS};

/// Statuses that say that something is broken, as some tests see to; no document promises them.
const BROKEN: u16 = 500;

/// A request that was sent, as far as the document describes requests.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What is not as the document says.
pub(crate) fn hold(document: &Value, sent: &Sent, reply: &Reply) -> Result<(), String> {
    let Some((path, described)) = operation(document, sent) else { return Ok(()) };
    let truth = Truth { document, version: version(&sent.headers) };
    let what = format!("{} {path}", sent.method);
    let (status, text) = (reply.code(), &reply.text);
    let Some(answer) = described["responses"].get(status.to_string()) else {
        let advice = format!("{what} answered {status}: add `.or({status})` to its line of router.rs\n{text}");
        return if status == BROKEN { Ok(()) } else { Err(advice) };
    };
    let content = &truth.resolve(answer)["content"];
    let kind = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if let Some(schema) = content[kind].get("schema").filter(|_| !text.is_empty() && kind.ends_with("json")) {
        let told = |problem| format!("{what} answered otherwise than openapi/answers.rs says: {problem}\n{text}");
        truth.check(schema, &reply.json(), "$").map_err(told)?;
    }
    if truth.is_known(described) {
        return body(&truth, described, sent, reply, &what);
    }
    let refused = status >= 400;
    if refused { Ok(()) } else { Err(format!("{what} is there before the microversion that router.rs names")) }
}

/// A body that was taken must be one that the document describes, and one that it describes must not be called misshapen.
fn body(truth: &Truth<'_>, described: &Value, sent: &Sent, reply: &Reply, what: &str) -> Result<(), String> {
    let json = sent.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let Some(value) = serde_json::from_slice::<Value>(&sent.body).ok().filter(|_| json) else { return Ok(()) };
    let schema = &described["requestBody"]["content"]["application/json"]["schema"];
    let problem = if schema.is_null() { Err("it takes none".to_owned()) } else { truth.check(schema, &value, "$") };
    match problem {
        Err(problem) if reply.code() < 300 => {
            Err(format!("{what} took a body that its line of router.rs does not describe: {problem}\n{value}"))
        }
        Ok(()) if calls_misshapen(reply, schema) => {
            Err(format!("{what} refuses what its line of router.rs describes: {}\n{value}", reply.text))
        }
        _ => Ok(()),
    }
}

/// Whether the answer complains of the form of something that the schema has one opinion about.
fn calls_misshapen(reply: &Reply, schema: &Value) -> bool {
    let answer = reply.json();
    let message = answer.pointer("/badRequest/message").and_then(Value::as_str).unwrap_or_default();
    let complaints = [" is a required property", "Additional properties are not allowed", " is not of type "];
    let attribute = message.split_once("field/attribute ").and_then(|(_, rest)| rest.split('.').next());
    let described = attribute.is_none_or(|name| schema.to_string().contains(&format!("\"{name}\"")));
    let alternatives = schema["anyOf"].as_array().is_some_and(|all| all.iter().any(|one| one["title"].is_null()));
    described && !alternatives && complaints.iter().any(|words| message.contains(words))
}

fn operation<'a>(document: &'a Value, sent: &Sent) -> Option<(&'a String, &'a Value)> {
    let path = sent.path.strip_suffix(".json").filter(|path| *path != "/openapi").unwrap_or(&sent.path);
    let mut segments: Vec<&str> = path.split('/').collect();
    if segments.len() > 3 && [OURS, THEIRS, "admin"].contains(&segments[2]) {
        segments.remove(2);
    }
    let method = sent.method.as_str().to_lowercase();
    let matching = document["paths"].as_object()?.iter().filter(|(template, _)| {
        let parts: Vec<&str> = template.split('/').collect();
        let alike = |(part, segment): (&&str, &&str)| part == segment || (part.starts_with('{') && !segment.is_empty());
        parts.len() == segments.len() && parts.iter().zip(&segments).all(alike)
    });
    // As the router does: words before parameters.
    let (template, item) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((template, item.get(&method)?))
}

fn version(headers: &HeaderMap) -> u32 {
    let asked = headers.get("openstack-api-version").and_then(|value| value.to_str().ok()).unwrap_or("volume 3.0");
    let minor = asked.rsplit_once("volume 3.").and_then(|(_, minor)| minor.parse().ok());
    minor.unwrap_or(if asked.contains("latest") { 71 } else { 0 })
}

/// As much of JSON Schema as the document uses, at one microversion.
struct Truth<'a> {
    document: &'a Value,
    version: u32,
}

impl Truth<'_> {
    fn resolve<'b>(&'b self, schema: &'b Value) -> &'b Value {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.map_or(schema, |pointer| self.document.pointer(pointer).expect("what is referred to"))
    }

    /// Whether it is there at this microversion.
    fn is_known(&self, thing: &Value) -> bool {
        let minor =
            |key: &str| thing["x-openstack"][key].as_str().and_then(|version| version.strip_prefix("3.")?.parse().ok());
        minor("min-ver").unwrap_or(0) <= self.version && self.version <= minor("max-ver").unwrap_or(u32::MAX)
    }

    fn check(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        let wrong = |why: String| Err(format!("{place}: {why}"));
        if let Some(types) = schema.get("type") {
            let types = types.as_array().map_or_else(|| vec![types], |types| types.iter().collect());
            if !types.iter().any(|kind| has_type(value, kind.as_str().unwrap_or_default())) {
                return wrong(format!("is not {types:?}"));
            }
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return wrong("is another constant".to_owned());
        }
        if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
            return wrong("is none of the values".to_owned());
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let known = alternatives.iter().filter(|schema| self.is_known(schema));
            let problems: Vec<String> =
                known.map(|schema| self.check(schema, value, place)).filter_map(Result::err).collect();
            if problems.len() == alternatives.iter().filter(|schema| self.is_known(schema)).count() {
                return Err(problems.join("; or "));
            }
        }
        match value {
            Value::String(text) => check_text(schema, text).or_else(wrong),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                let within = schema["minimum"].as_f64().is_none_or(|min| number >= min)
                    && schema["maximum"].as_f64().is_none_or(|max| number <= max);
                if within { Ok(()) } else { wrong("is beyond a limit".to_owned()) }
            }
            Value::Array(items) if !schema["items"].is_null() => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| self.check(&schema["items"], item, &format!("{place}[{index}]")))
            }
            Value::Object(map) => self.check_object(schema, map, place),
            _ => Ok(()),
        }
    }

    fn check_object(&self, schema: &Value, map: &Map<String, Value>, place: &str) -> Result<(), String> {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = required.into_iter().find(|name| !map.contains_key(*name)) {
            return Err(format!("{place}: lacks {missing}"));
        }
        let many = schema["maxProperties"].as_u64().is_some_and(|max| map.len() as u64 > max);
        if many || schema["minProperties"].as_u64().is_some_and(|min| (map.len() as u64) < min) {
            return Err(format!("{place}: has another number of keys"));
        }
        for (name, value) in map {
            let inside = format!("{place}.{name}");
            let known = schema["properties"].get(name).filter(|property| self.is_known(property));
            let mut patterns = schema["patternProperties"].as_object().into_iter().flatten();
            let by_pattern = || patterns.find(|(pattern, _)| matches(pattern, name)).map(|(_, schema)| schema);
            match known.or_else(by_pattern).or_else(|| schema.get("additionalProperties")) {
                Some(Value::Bool(false)) => return Err(format!("{inside}: is not described")),
                Some(property) if property.is_object() => self.check(property, value, &inside)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Unlike JSON Schema's, a whole number is one that is written without a point.
fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document has a type {other}"),
    }
}

fn check_text(schema: &Value, text: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    let right_length = schema["minLength"].as_u64().is_none_or(|min| length >= min)
        && schema["maxLength"].as_u64().is_none_or(|max| length <= max);
    if !right_length {
        return Err("has another length".to_owned());
    }
    if schema["format"] == "uuid" && text.parse::<domain::VolumeId>().is_err() {
        return Err("is no uuid".to_owned());
    }
    match schema["pattern"].as_str() {
        Some(pattern) if !matches(pattern, text) => Err(format!("does not match {pattern}")),
        _ => Ok(()),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    static KNOWN: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern"));
    compiled.is_match(text)
}

#[test]
fn a_lie_is_found() {
    let backup = json!({"type": "object", "properties": {"id": {"type": "string"}}, "additionalProperties": false});
    let name = json!({"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": false});
    let content = |schema: &Value| json!({"content": {"application/json": {"schema": schema}}});
    let document = json!({"paths": {"/v3/backups/{id}": {"put": {
        "x-openstack": {"min-ver": "3.9"}, "requestBody": content(&name), "responses": {"200": content(&backup), "400": {}},
    }}}});
    let told = |minor: u32, body: Value, status: u16, answer: Value| {
        let headers =
            [("content-type", "application/json".to_owned()), ("openstack-api-version", format!("volume 3.{minor}"))];
        let headers: HeaderMap = headers
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        let sent = Sent {
            method: Method::PUT,
            path: format!("/v3/{OURS}/backups/1"),
            headers: headers.clone(),
            body: body.to_string().into_bytes(),
        };
        let reply = Reply { status: status.try_into().expect("a status"), headers, text: answer.to_string() };
        hold(&document, &sent, &reply).err().unwrap_or_default()
    };
    assert_eq!(told(9, json!({"name": "b"}), 200, json!({"id": "1"})), "");
    assert_eq!(told(9, json!({"name": 5}), 400, json!({"badRequest": {"message": "5 is not of type 'string'"}})), "");
    assert!(told(9, json!({}), 409, json!({})).contains("answered 409"));
    assert!(told(9, json!({}), 200, json!({"id": "1", "more": 1})).contains("$.more: is not described"));
    assert!(told(9, json!({"name": 5}), 200, json!({})).contains("took a body"));
    assert!(told(8, json!({"name": "b"}), 200, json!({})).contains("before the microversion"));
    let refusal = json!({"badRequest": {"message": "'volume' is a required property"}});
    assert!(told(9, json!({"name": "b"}), 400, refusal).contains("refuses what"));
}
