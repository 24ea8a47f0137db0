//! Generated requests: bodies near what the document describes, and queries of paging words. What is refused is a fault of
//! the contract and changes nothing; the same seed at every run.

use std::cell::{Cell, RefCell};

use axum::body::Body;
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::rubbish::{check, furnished};
use crate::world::World;

const VERSIONS: [&str; 5] = ["", "3.14", "3.45", "3.60", "3.71"];

pub(crate) fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Texts that mean something to somebody, beside any others.
fn text(known: &[String]) -> BoxedStrategy<String> {
    let odd = [
        "",
        " ",
        "None",
        "null",
        "true",
        "0",
        "-1",
        "1",
        "2147483648",
        "1e3",
        "..",
        "a/b",
        "%",
        "é",
        "\u{202e}x",
        "'",
        "\";",
        "{'a': 'b'}",
        "{",
        "id:desc",
        "gt:2026-01-01T00:00:00",
        "lt:",
        "available",
        "error",
        "__DEFAULT__",
        "req-x",
    ];
    let odd: Vec<String> = odd.iter().map(|word| (*word).to_owned()).chain(known.iter().cloned()).collect();
    prop_oneof![4 => select(odd), 1 => any::<String>(), 1 => "x{250,260}"].boxed()
}

/// Values as a schema describes them, and now and then not.
fn near(schema: &Value, known: &[String]) -> BoxedStrategy<Value> {
    let described = described(schema, known);
    let wrong = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!([])),
        Just(json!({"k": {"k": []}})),
        text(known).prop_map(Value::from),
    ];
    prop_oneof![9 => described, 1 => wrong].boxed()
}

fn described(schema: &Value, known: &[String]) -> BoxedStrategy<Value> {
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return select(values.clone()).boxed();
    }
    if let Some(alternatives) = schema["anyOf"].as_array().filter(|_| schema["properties"].is_null()) {
        let alternatives: Vec<_> = alternatives.iter().map(|one| near(one, known)).collect();
        return proptest::strategy::Union::new(alternatives).boxed();
    }
    let types: Vec<Value> = match &schema["type"] {
        Value::Array(types) => types.clone(),
        kind => vec![kind.clone()],
    };
    let of_type = |kind: &Value| match kind.as_str() {
        Some("integer") => (-2..5_i64).prop_map(Value::from).boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("null") => Just(Value::Null).boxed(),
        Some("array") => proptest::collection::vec(text(known), 0..3).prop_map(Value::from).boxed(),
        Some("object") => object(schema, known),
        _ => text(known).prop_map(Value::from).boxed(),
    };
    proptest::strategy::Union::new(types.iter().map(of_type).collect::<Vec<_>>()).boxed()
}

type Given = (Vec<(String, Option<Value>)>, Option<(String, Value)>);

fn object(schema: &Value, known: &[String]) -> BoxedStrategy<Value> {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let required = |name: &String| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
    let field = |(name, property): (&String, &Value)| {
        let often = if required(name) { 0.97 } else { 0.4 };
        (Just(name.clone()), proptest::option::weighted(often, near(property, known)))
    };
    let fields: Vec<_> = properties.iter().map(field).collect();
    let few = if properties.is_empty() { 0.8 } else { 0.03 };
    let strange = proptest::option::weighted(few, (text(known), text(known).prop_map(Value::from)));
    let build = |(fields, strange): Given| {
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Value::Object(given.chain(strange).collect::<Map<_, _>>())
    };
    (fields, strange).prop_map(build).boxed()
}

/// Method, path below the project and the schema of each body that the document describes.
fn bodies(document: &Value) -> Vec<(Method, String, Value)> {
    let mut bodies = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                let method = method.to_uppercase().parse().expect("a method");
                bodies.push((method, path.trim_start_matches("/v3").to_owned(), schema.clone()));
            }
        }
    }
    bodies
}

#[test]
fn bodies_near_the_described_ones() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let (volume, snapshot, backup) = runtime.block_on(furnished(&world));
    let known = [volume.clone(), snapshot.clone(), backup.clone(), "7c60c9df-1111-4222-8333-444455556666".to_owned()];
    let document = runtime.block_on(async { world.member().get("/openapi.json").await });
    assert_eq!(document.code(), 404, "it stands outside the versioned paths");
    let request = http::Request::get("/openapi.json").body(Body::empty()).expect("a request");
    let document = runtime.block_on(world.send(request)).expect(200);
    let rows = RefCell::new(runtime.block_on(world.rows()));
    let accepted = Cell::new(0);
    for (method, template, schema) in bodies(&document) {
        let id = match template.split('/').nth(1) {
            Some("volumes") => &volume,
            Some("snapshots") => &snapshot,
            Some("backups") => &backup,
            _ => &known[3],
        };
        let path = template.replace("{id}", id).replace("{key}", "k").replace("{verb}", "disable");
        let outcome = runner(16).run(&(near(&schema, &known), select(&VERSIONS[..])), |(body, version)| {
            let what = format!("{method} {path} {version} {body}");
            let (reply, now) = runtime.block_on(async {
                let reply = world.admin().at(version).with_body(method.clone(), &path, body).await;
                (reply, world.rows().await)
            });
            assert!(reply.code() < 500, "{what}: {}", reply.text);
            accepted.set(accepted.get() + usize::from(reply.code() < 300));
            let before = rows.replace(now);
            assert!(reply.code() < 400 || *rows.borrow() == before, "{what} was refused and changed something");
            Ok(())
        });
        assert_eq!(outcome, Ok(()), "{method} {path}");
    }
    // Most requests are wrong somewhere; too many would mean that nothing gets past the first check.
    assert!(accepted.get() > 50, "{}", accepted.get());
}

#[test]
fn queries_of_paging_words() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let (volume, snapshot, backup) = runtime.block_on(furnished(&world));
    let known = [volume, snapshot, backup];
    let words = [
        "limit",
        "offset",
        "marker",
        "sort",
        "sort_key",
        "sort_dir",
        "all_tenants",
        "with_count",
        "name",
        "name~",
        "status",
        "metadata",
        "created_at",
        "updated_at",
        "size",
        "bootable",
        "is_public",
        "volume_id",
        "id",
        "project_id",
        "host",
        "consumes_quota",
        "group_id",
        "migration_status",
        "availability_zone",
        "resource_uuid",
        "display_name~",
        "extra_specs",
    ];
    let word = prop_oneof![8 => select(words.to_vec()).prop_map(str::to_owned), 1 => text(&known)];
    let query = proptest::collection::vec((word, text(&known)), 0..5);
    let lists = [
        "/volumes",
        "/volumes/detail",
        "/volumes/summary",
        "/snapshots",
        "/snapshots/detail",
        "/backups",
        "/backups/detail",
        "/messages",
        "/types",
        "/group_types",
        "/qos-specs",
        "/os-services",
        "/limits",
        "/scheduler-stats/get_pools",
    ];
    let before = runtime.block_on(world.rows());
    let outcome = runner(1500).run(&(select(lists.to_vec()), query, any::<bool>()), |(list, query, is_admin)| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let path = format!("{list}?{query}");
        runtime.block_on(async {
            let client = if is_admin { world.admin() } else { world.member() };
            check(&client.at("3.71").get(&path).await, &path);
        });
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(runtime.block_on(world.rows()), before);
}
