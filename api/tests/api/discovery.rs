//! Versions, health, microversions, request ids, unknown paths (contract §1.1, §1.2).

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::world::{OURS, World, keys};

async fn get(world: &World, path: &str, version: Option<&str>) -> crate::world::Reply {
    let mut request = Request::get(path).header("host", "volumes.example:8776");
    if let Some(version) = version {
        request = request.header("OpenStack-API-Version", version);
    }
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_versions_document() {
    let world = World::new().await;
    let document = json!({"versions": [{"id": "v3.0", "status": "CURRENT", "version": "3.71", "min_version": "3.0",
        "updated": "2023-08-31T00:00:00Z",
        "links": [{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
                  {"rel": "self", "href": "http://volumes.example:8776/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}]}]});
    assert_eq!(get(&world, "/", None).await.expect(300), document);
    assert_eq!(get(&world, "/v3/", None).await.expect(200), document);
    let redirect = get(&world, "/v3", None).await;
    assert_eq!(redirect.code(), 302);
    assert_eq!(redirect.header("location"), Some("http://volumes.example:8776/v3/"));
    assert!(redirect.text.is_empty());
    let health = get(&world, "/healthcheck", None).await;
    assert_eq!((health.code(), health.text.as_str()), (200, "OK"));
    assert!(health.header("content-type").is_some_and(|value| value.starts_with("text/plain")));
    get(&world, "/", Some("volume 3.72")).await.expect(406);
    get(&world, "/v3/", Some("volume 3.01")).await.expect(400);
}

#[tokio::test]
async fn a_public_endpoint_is_what_clients_see() {
    let world = World::with(|config| config.public_endpoint = Some("https://cloud.example/volume/v3/".into())).await;
    let document = get(&world, "/", None).await.expect(300);
    assert_eq!(document["versions"][0]["links"][1]["href"], "https://cloud.example/volume/v3/");
}

#[tokio::test]
async fn unknown_paths_and_verbs_are_pages() {
    let world = World::new().await;
    let client = world.admin();
    let paths = ["/v1/", "/v2/", "/v4", "/nothing", "/v3/backups/a/b/c", "/v3/zzz/backups", &format!("/v3/{OURS}")];
    for path in paths {
        let request = Request::get(path).header("x-auth-token", format!("admin:{OURS}")).body(Body::empty());
        let reply = world.send(request.expect("a request")).await;
        assert_eq!(reply.code(), 404, "{path}");
        assert!(reply.header("content-type").is_some_and(|value| value.starts_with("text/html")), "{path}");
        assert_eq!(reply.header("openstack-api-version"), None, "{path}");
    }
    for (method, path) in
        [(Method::PATCH, "/backups"), (Method::PUT, "/backups"), (Method::DELETE, "/backups/x/metadata/k")]
    {
        let request = client.request(method, path).body(Body::empty()).expect("a request");
        let reply = world.send(request).await;
        assert_eq!(reply.code(), 404, "{path}");
        assert!(reply.text.starts_with("<html>"), "{path}: {}", reply.text);
    }
    for path in ["/backups/new", "/backups/x/edit"] {
        client.get(path).await.refused(404, "The resource could not be found.");
    }
    client.get("/volumes/").await.json();
    assert_eq!(client.get("/volumes/").await.code(), 404);
}

#[tokio::test]
async fn every_answer_names_its_microversion_and_request() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let client = world.member().at("3.45");
    let replies = [
        client.get("/backups").await,
        client.get("/backups/none").await,
        client.post("/backups", json!({})).await,
        client.delete(&format!("/volumes/{volume}")).await,
        client.get("/messages").await,
    ];
    for reply in &replies[..4] {
        assert_eq!(reply.header("openstack-api-version"), Some("volume 3.45"), "{}", reply.text);
        assert_eq!(reply.header("vary"), Some("OpenStack-API-Version"));
    }
    for reply in &replies {
        let id = reply.header("x-compute-request-id").expect("a request id");
        assert!(id.starts_with("req-") && id.len() == 40);
        assert_eq!(reply.header("x-openstack-request-id"), Some(id));
    }
    let deleted = &replies[3];
    assert_eq!((deleted.code(), deleted.text.as_str()), (202, ""));
    assert_eq!(deleted.header("content-type"), Some("application/json"));
    assert_eq!(deleted.header("content-length"), Some("0"));

    let latest = world.member().at("latest").get("/backups").await;
    assert_eq!(latest.header("openstack-api-version"), Some("volume 3.71"));
    let too_new = world.member().at("3.72").get("/backups").await;
    assert_eq!(too_new.header("openstack-api-version"), Some("volume 3.72"));
    assert_eq!(too_new.fault().0, "computeFault");
    too_new.refused(406, "Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71.");
    let unclear = world.member().at("3").get("/backups").await;
    unclear.refused(400, "API Version String 3 is of invalid format. Must be of format MajorNum.MinorNum.");
}

#[tokio::test]
async fn operations_of_later_microversions_are_not_there() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let backup = world.member().backup(&volume).await;
    let absent = "The resource could not be found.";
    let path = format!("/backups/{backup}");
    world.member().at("3.8").put(&path, json!({"backup": {"name": "x"}})).await.refused(404, absent);
    world.member().at("3.9").put(&path, json!({"backup": {"name": "x"}})).await.expect(200);
    world.member().at("3.11").get("/volumes/summary").await.refused(404, absent);
    world.member().at("3.12").get("/volumes/summary").await.expect(200);
    world.admin().at("3.7").post("/manageable_volumes", json!({"volume": {}})).await.refused(404, absent);
}

#[tokio::test]
async fn both_forms_of_a_path_and_an_optional_format() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    for (path, link) in [
        (format!("/v3/{OURS}/volumes/{volume}"), format!("http://h/v3/{OURS}/volumes/{volume}")),
        (format!("/v3/volumes/{volume}.json"), format!("http://h/v3/volumes/{volume}")),
    ] {
        let request = Request::get(path).header("host", "h").header("x-auth-token", format!("alice:{OURS}"));
        let volume = world.send(request.body(Body::empty()).expect("a request")).await.expect(200);
        assert_eq!(volume["volume"]["links"][0]["href"], link);
    }
    let request =
        Request::get("/v3/volumes.json?limit=1").header("host", "h").header("x-auth-token", format!("alice:{OURS}"));
    let list = world.send(request.body(Body::empty()).expect("a request")).await.expect(200);
    let next = format!("http://h/v3/volumes.json?limit=1&marker={volume}");
    assert_eq!(list["volumes_links"][0]["href"], next);
}

#[tokio::test]
async fn identity() {
    let world = World::new().await;
    let reply = get(&world, &format!("/v3/{OURS}/backups"), None).await;
    assert_eq!(reply.code(), 401);
    assert!(reply.header("www-authenticate").is_some());
    let request = Request::get(format!("/v3/{OURS}/backups")).header("x-auth-token", "alice:cccc").body(Body::empty());
    world.send(request.expect("a request")).await.refused(400, "Malformed request url");
    // An administrator too reaches other projects through his own.
    let request = Request::get(format!("/v3/{OURS}/backups")).header("x-auth-token", "admin:cccc").body(Body::empty());
    world.send(request.expect("a request")).await.refused(400, "Malformed request url");
    let reply = world.member().get("/os-services").await;
    assert_eq!(reply.fault().0, "forbidden");
    reply.refused(403, "Policy doesn't allow volume_extension:services:index to be performed.");
}

#[tokio::test]
async fn the_lists_that_clients_read_while_they_find_their_way() {
    let world = World::new().await;
    let client = world.admin();
    let zones = client.get("/os-availability-zone").await.expect(200);
    assert_eq!(zones, json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}}]}));
    let types = client.get("/types?is_public=None").await.expect(200);
    assert_eq!(types["volume_types"][0]["name"], "__DEFAULT__");
    let default = client.get("/types/default").await.expect(200);
    assert_eq!(default["volume_type"]["id"], types["volume_types"][0]["id"]);
    let expected =
        ["description", "extra_specs", "id", "is_public", "name", "os-volume-type-access:is_public", "qos_specs_id"];
    assert_eq!(keys(&default["volume_type"]), expected);
    client.get("/types/nope").await.refused(404, "Volume type nope could not be found.");
    assert_eq!(client.get("/extensions/backups").await.expect(200)["extension"]["name"], "Backups");
    client.get("/extensions/nope").await.refused(404, "The resource could not be found.");
    assert_eq!(client.get("/scheduler-stats/get_pools").await.expect(200), json!({"pools": []}));
}
