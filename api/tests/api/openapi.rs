//! The document that the api serves of itself, and that it is true.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use serde_json::Value;

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
