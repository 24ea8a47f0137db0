//! Whatever a caller sends: a fault of the contract's shape, never a 500, and what is refused changes nothing (architecture
//! §2, invariant 9).

use axum::body::Body;
use http::{HeaderName, Method};
use serde_json::{Value, json};

use crate::world::{Client, Reply, World};

/// A route that takes a body, with the ids filled in, and the keys that such bodies have.
type Route = (Method, String, &'static [&'static str]);

const VOLUME_ACTIONS: &[&str] = &[
    "os-extend",
    "os-reset_status",
    "os-attach",
    "os-detach",
    "os-force_detach",
    "os-initialize_connection",
    "os-terminate_connection",
    "os-set_bootable",
    "os-update_readonly_flag",
];

fn bodies_go_to(volume: &str, snapshot: &str, backup: &str) -> Vec<Route> {
    let post = |path: String, keys: &'static [&'static str]| (Method::POST, path, keys);
    let put = |path: String, keys: &'static [&'static str]| (Method::PUT, path, keys);
    let mut routes: Vec<Route> = vec![
        post("/backups".into(), &["backup"]),
        put(format!("/backups/{backup}"), &["backup"]),
        post(format!("/backups/{backup}/restore"), &["restore"]),
        post(format!("/backups/{backup}/action"), &["os-reset_status"]),
        post("/volumes".into(), &["volume", "OS-SCH-HNT:scheduler_hints"]),
        put(format!("/volumes/{volume}"), &["volume"]),
        post(format!("/volumes/{volume}/action"), VOLUME_ACTIONS),
        post("/attachments".into(), &["attachment"]),
        put(format!("/attachments/{volume}"), &["attachment"]),
        post(format!("/attachments/{volume}/action"), &["os-complete"]),
        post("/volume-transfers".into(), &["transfer"]),
        post(format!("/os-volume-transfer/{volume}/accept"), &["accept"]),
        post("/os-volume-manage".into(), &["volume"]),
        post("/manageable_volumes".into(), &["volume"]),
        post("/snapshots".into(), &["snapshot"]),
        put(format!("/snapshots/{snapshot}"), &["snapshot"]),
        post(format!("/snapshots/{snapshot}/action"), &["os-reset_status"]),
        put("/os-services/enable".into(), &["host", "binary"]),
        put("/os-services/disable-log-reason".into(), &["host", "disabled_reason"]),
        put("/os-services/freeze".into(), &["host"]),
        put(format!("/os-quota-sets/{}", crate::world::OURS), &["quota_set"]),
    ];
    for owner in [format!("/volumes/{volume}"), format!("/snapshots/{snapshot}")] {
        routes.push(post(format!("{owner}/metadata"), &["metadata"]));
        routes.push(put(format!("{owner}/metadata"), &["metadata"]));
        routes.push(put(format!("{owner}/metadata/key"), &["meta"]));
    }
    routes
}

/// Bytes that are no request for anything.
fn raw_bodies() -> Vec<Vec<u8>> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let nested = format!("{}1{}", r#"{"backup":"#.repeat(5000), "}".repeat(5000)).into_bytes();
    let mut bodies: Vec<Vec<u8>> =
        ["", "{", "[]", "null", "1", "\"x\"", "{}", "true", "{\"a\"}", "{'a': 1}", "\u{feff}{}"]
            .into_iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
    bodies.extend([
        deep(100),
        deep(20_000),
        nested,
        vec![0xff, 0xfe, 0x00],
        b"{\"backup\": \"\\ud800\"}".to_vec(),
        b"{\"a\\u0000\": 1}".to_vec(),
        b"{\"volume\": {\"size\": 1e999}}".to_vec(),
        b"{\"volume\": {\"size\": NaN}}".to_vec(),
        vec![b' '; 200_000],
    ]);
    bodies
}

/// The route's own keys, with values of every wrong kind.
fn wrong_values(keys: &[&str]) -> Vec<Value> {
    let fields = [
        "volume_id",
        "name",
        "description",
        "size",
        "snapshot_id",
        "metadata",
        "force",
        "incremental",
        "container",
        "status",
        "new_size",
        "bootable",
        "readonly",
        "ref",
        "host",
        "backup_id",
        "imageRef",
        "mountpoint",
        "attachment_id",
        "volume_uuid",
        "connector",
        "auth_key",
        "no_snapshots",
        "backups",
        "volume_type",
        "availability_zone",
        "multiattach",
        "group_id",
        "mode",
        "instance_uuid",
        "key",
    ];
    let values = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(""),
        json!("x".repeat(300)),
        json!("line\nbreak"),
        json!("nul\u{0}"),
        json!([]),
        json!({}),
        json!({"": ""}),
        json!({"k": {"k": {"k": []}}}),
    ];
    let mut bodies = Vec::new();
    for &key in keys {
        bodies.extend(values.iter().map(|value| json!({key: value})));
        for field in fields {
            bodies.extend(values.iter().map(|value| json!({key: {field: value}})));
        }
        bodies.push(json!({key: {}, "other": {}}));
    }
    bodies
}

/// An answer's form: a success, or a fault with its code inside and its microversion outside.
pub(crate) fn check(reply: &Reply, what: &str) {
    assert!(reply.code() < 500, "{what}: {}", reply.text);
    let is_page = reply.header("content-type").is_some_and(|value| value.starts_with("text/html"));
    if reply.code() < 400 || is_page {
        return;
    }
    let (_, code, message) = reply.fault();
    assert_eq!(code, u64::from(reply.code()), "{what}");
    assert!(!message.is_empty(), "{what}");
    assert_eq!(reply.header("openstack-api-version"), Some("volume 3.71"), "{what}");
}

/// What is refused leaves everything as it was.
struct Witness<'a> {
    world: &'a World,
    rows: String,
}

impl Witness<'_> {
    async fn look(&mut self, reply: &Reply, what: &str) {
        check(reply, what);
        let rows = self.world.rows().await;
        if reply.code() >= 400 {
            assert!(rows == self.rows, "{what} was refused and changed something");
        }
        self.rows = rows;
    }
}

pub(crate) async fn furnished(world: &World) -> (String, String, String) {
    let client = world.member();
    let volume = client.volume(1).await;
    (volume.clone(), client.snapshot(&volume).await, client.backup(&volume).await)
}

async fn send(client: Client<'_>, method: Method, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Reply {
    let mut request = client.request(method, path);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    client.world().send(request.body(Body::from(body)).expect("a request")).await
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let world = World::new().await;
    let (volume, snapshot, backup) = furnished(&world).await;
    let client = world.admin().at("3.71");
    let mut witness = Witness { world: &world, rows: world.rows().await };
    for (method, path, _) in bodies_go_to(&volume, &snapshot, &backup) {
        for body in raw_bodies() {
            let start = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
            for content_type in
                [Some("application/json"), Some("application/json; charset=utf-8"), Some("text/xml"), None]
            {
                let what = format!("{method} {path} {content_type:?} {start}");
                let reply = send(client, method.clone(), &path, content_type, body.clone()).await;
                assert!(reply.code() >= 400, "{what}");
                if body.len() > 114_688 {
                    assert_eq!(reply.code(), 413, "{what}");
                    assert_eq!(reply.header("retry-after"), Some("0"));
                } else if content_type == Some("text/xml") && !body.is_empty() && !path.contains("freeze") {
                    reply.refused(415, "Unsupported Content-Type");
                }
                check(&reply, &what);
            }
        }
        witness.look(&send(client, method, &path, None, Vec::new()).await, &path).await;
    }
}

#[tokio::test]
async fn values_of_every_wrong_kind() {
    let world = World::new().await;
    let (volume, snapshot, backup) = furnished(&world).await;
    let mut witness = Witness { world: &world, rows: world.rows().await };
    for (method, path, keys) in bodies_go_to(&volume, &snapshot, &backup) {
        // Comparing all rows is dear: once for every few refusals in a row is enough to find the route.
        for (index, body) in wrong_values(keys).iter().enumerate() {
            let reply = world.admin().at("3.71").with_body(method.clone(), &path, body.clone()).await;
            let what = format!("{method} {path} {body}");
            check(&reply, &what);
            if reply.code() < 400 || index % 100 == 0 {
                witness.look(&reply, &what).await;
            }
        }
        let last = send(world.admin().at("3.71"), method, &path, None, Vec::new()).await;
        witness.look(&last, &path).await;
    }
}

#[tokio::test]
async fn ids_that_name_nothing() {
    const NOBODY: &str = "7c60c9df-1111-4222-8333-444455556666";
    let world = World::new().await;
    furnished(&world).await;
    let client = world.admin().at("3.71");
    let before = world.rows().await;
    let long = "x".repeat(5000);
    let ids =
        ["abc", "123", "%00", "%ff", "..%2f..%2fetc", "%20", "a%0Ab", "%C3%A4", "%27%3B%20DROP", long.as_str(), NOBODY];
    for id in ids {
        for collection in ["backups", "volumes", "snapshots", "types", "extensions"] {
            let path = format!("/{collection}/{id}");
            check(&client.delete(&path).await, &path);
            let reply = client.get(&path).await;
            check(&reply, &path);
            assert_eq!(reply.code(), 404, "{path}");
        }
        let path = format!("/volumes/{id}/metadata/{id}");
        assert_eq!(client.get(&path).await.code(), 404, "{path}");
        check(&client.get(&format!("/os-quota-sets/{id}")).await, id);
    }
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn queries_that_ask_for_nothing() {
    let world = World::new().await;
    furnished(&world).await;
    let client = world.admin().at("3.71");
    let many = "id=a&".repeat(2000);
    let pairs: String = (0..500).map(|index| format!("'k{index}':'v',")).collect();
    let pairs = format!("metadata={{{pairs}}}");
    let keys = format!("sort={}", "id,".repeat(3000));
    let queries = [
        "limit=-1",
        "limit=1.5",
        "offset=x",
        "marker=%00",
        "marker=nope",
        "sort=;drop",
        "sort=:",
        "sort=,",
        "all_tenants=2",
        "with_count=",
        "name~=%25%25",
        "%ff=%ff",
        "=",
        "&&&",
        "metadata={",
        "created_at=gt:",
        "created_at=gt:9999999-01-01",
        "updated_at=lte:0000-00-00T00:00:00",
        "size=99999999999999999999",
        "status=%00",
        "is_public=maybe",
        "detail=maybe",
        many.as_str(),
        pairs.as_str(),
        keys.as_str(),
    ];
    let lists = [
        "/backups",
        "/backups/detail",
        "/volumes",
        "/volumes/detail",
        "/volumes/summary",
        "/snapshots",
        "/snapshots/detail",
        "/types",
        "/os-services",
        "/scheduler-stats/get_pools",
        "/limits",
        "/os-availability-zone",
    ];
    let before = world.rows().await;
    for query in queries {
        for list in lists {
            let reply = client.get(&format!("{list}?{query}")).await;
            check(&reply, &format!("{list}?{}", &query[..query.len().min(40)]));
        }
    }
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn headers_that_say_nothing() {
    let world = World::new().await;
    let odd: [&[u8]; 5] = [b"", b"\xff\xfe", b",,,", b"volume", b":"];
    for value in odd {
        for name in
            ["openstack-api-version", "x-auth-token", "x-openstack-request-id", "traceparent", "host", "if-match"]
        {
            let request = http::Request::get("/v3/volumes")
                .header("x-auth-token", "admin:admin")
                .header(HeaderName::from_static("x-other"), "1");
            let mut request = request.body(Body::empty()).expect("a request");
            let value = http::HeaderValue::from_bytes(value).expect("a value");
            request.headers_mut().insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value);
            let reply = world.send(request).await;
            assert!(reply.code() < 500, "{name}: {}", reply.text);
        }
    }
}
