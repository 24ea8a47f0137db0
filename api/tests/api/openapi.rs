//! The document that the api serves of itself, and that it is true.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{Reply, World};

async fn open(world: &World, path: &str) -> Reply {
    world.send(Request::get(path).body(Body::empty()).expect("a request")).await
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(&String, &String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, described) in item.as_object().expect("methods") {
            operations.push((method, path, described));
        }
    }
    operations
}

#[tokio::test]
async fn anyone_reads_the_document() {
    let world = World::new().await;
    let reply = open(&world, "/openapi.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let document = reply.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    let ids: BTreeSet<_> = operations.iter().map(|(.., described)| described["operationId"].as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "ids are unique");
    for (method, path, described) in operations {
        assert!(described["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        for parameter in described["parameters"].as_array().expect("parameters") {
            let is_in_path = parameter["in"] == "path";
            let name = format!("{{{}}}", parameter["name"].as_str().unwrap_or_default());
            assert!(!is_in_path || path.contains(&name), "{method} {path} {name}");
        }
    }
}

#[tokio::test]
async fn the_page_asks_nobody_else() {
    let world = World::new().await;
    let reply = open(&world, "/docs").await;
    assert!(reply.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    assert!(reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    for word in ["http:", "https:", "//cdn", "src=", "<link", "@import", "innerHTML"] {
        assert!(!reply.text.contains(word), "{word}");
    }
}

/// An operation of a newer microversion is not there before it, and one that names none always is.
#[tokio::test]
async fn operations_come_with_the_microversion_they_name() {
    const ABSENT: &str = "The resource could not be found.";
    let world = World::new().await;
    let document = open(&world, "/openapi.json").await.expect(200);
    let versioned = operations(&document).into_iter().filter(|(.., described)| !described["security"].is_null());
    for (method, path, described) in versioned {
        let method: Method = method.to_uppercase().parse().expect("a method");
        // A name of an extension that there is; others are not found in the same words.
        let id = if path.contains("extensions") { "backups" } else { "none" };
        let path = path.trim_start_matches("/v3").replace("{id}", id).replace("{key}", "k").replace("{verb}", "enable");
        let since = described["x-openstack"]["min-ver"].as_str();
        let minor = since.map_or(0, |since| since.trim_start_matches("3.").parse::<u32>().expect("a number"));
        let ask = async |minor: u32| {
            let version = format!("3.{minor}");
            let client = world.admin().at(&version);
            if described["requestBody"].is_null() {
                let request = client.request(method.clone(), &path).body(Body::empty()).expect("a request");
                return world.send(request).await;
            }
            client.with_body(method.clone(), &path, json!({})).await
        };
        let there = ask(minor).await;
        let absent = there.code() == 404 && there.text.contains(ABSENT);
        assert!(!absent, "{method} {path} came later than with 3.{minor}");
        if minor > 0 {
            ask(minor - 1).await.refused(404, ABSENT);
        }
    }
}
