//! Qos specs and the types that obey them (contract §1.10).

use serde_json::{Value, json};

use crate::world::{World, keys, text};

const NOBODY: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn specs_are_made_changed_and_removed() {
    let world = World::new().await;
    let admin = world.admin();
    let body = json!({"qos_specs": {"name": " fast ", "consumer": "front-end", "read_iops_sec": "2000"}});
    let made = admin.post("/qos-specs", body.clone()).await.expect(200);
    assert_eq!(keys(&made), ["links", "qos_specs"]);
    assert_eq!(keys(&made["qos_specs"]), ["consumer", "id", "name", "specs"]);
    assert_eq!(made["qos_specs"]["specs"], json!({"read_iops_sec": "2000"}));
    let path = format!("/qos-specs/{}", text(&made["qos_specs"]["id"]));
    assert_eq!(admin.get(&path).await.expect(200), made);
    admin.post("/qos-specs", body).await.refused(409, "QoS Specs fast already exists.");
    let change = json!({"qos_specs": {"iops_bytes": "500", "consumer": "both"}});
    assert_eq!(admin.put(&path, change.clone()).await.expect(200), change);
    let shown = admin.get(&path).await.expect(200)["qos_specs"].clone();
    assert_eq!(shown["specs"], json!({"read_iops_sec": "2000", "iops_bytes": "500"}));
    assert_eq!(shown["consumer"], "both");
    let missing = format!("QoS spec {} has no spec with key nope.", text(&shown["id"]));
    let keys_path = format!("{path}/delete_keys");
    admin.put(&keys_path, json!({"keys": ["iops_bytes", "nope"]})).await.refused(404, &missing);
    assert_eq!(admin.get(&path).await.expect(200)["qos_specs"], shown, "all keys or none");
    admin.put(&keys_path, json!({"keys": ["iops_bytes"]})).await.expect(202);
    assert_eq!(admin.get(&path).await.expect(200)["qos_specs"]["specs"], json!({"read_iops_sec": "2000"}));
    for bad in
        [json!({}), json!({"keys": "x"}), json!({"keys": [""]}), json!({"keys": ["a", "a"]}), json!({"keys": [1]})]
    {
        assert_eq!(admin.put(&keys_path, bad.clone()).await.code(), 400, "{bad}");
    }
    admin.delete(&format!("{path}?force=zz")).await.refused(400, "Value 'zz' for 'force' is not a boolean.");
    admin.delete(&format!("{path}?force=False")).await.expect(202);
    let gone = format!("No such QoS spec {}.", text(&shown["id"]));
    admin.get(&path).await.refused(404, &gone);
    admin.delete(&path).await.refused(404, &gone);
    admin.put(&path, change).await.refused(404, &gone);
    admin.put(&keys_path, json!({"keys": ["a"]})).await.refused(404, &gone);
}

#[tokio::test]
async fn bad_specs_are_refused() {
    let world = World::new().await;
    let admin = world.admin();
    for bad in [
        json!({}),
        json!({"qos_specs": {}}),
        json!({"qos_specs": {"name": " "}}),
        json!({"qos_specs": {"name": "n".repeat(256)}}),
        json!({"qos_specs": {"name": "n", "consumer": "nobody"}}),
        json!({"qos_specs": {"name": "n", "limit": 5}}),
        json!({"qos_specs": {"name": "n", "limit": "v".repeat(256)}}),
        json!({"qos_specs": {"name": "n", "": "v"}}),
    ] {
        assert_eq!(admin.post("/qos-specs", bad.clone()).await.code(), 400, "{bad}");
    }
    let padded = format!("{:>300}", "padded");
    let made = admin.post("/qos-specs", json!({"qos_specs": {"name": padded}})).await.expect(200);
    assert_eq!((&made["qos_specs"]["name"], &made["qos_specs"]["consumer"]), (&json!("padded"), &json!("back-end")));
    let path = format!("/qos-specs/{}", text(&made["qos_specs"]["id"]));
    for bad in
        [json!({}), json!({"qos_specs": null}), json!({"qos_specs": {"consumer": "x"}}), json!({"qos_specs": {"a": 1}})]
    {
        assert_eq!(admin.put(&path, bad.clone()).await.code(), 400, "{bad}");
    }
}

#[tokio::test]
async fn types_obey_one_set_at_most() {
    let world = World::new().await;
    let admin = world.admin();
    let specs = |name: &str| json!({"qos_specs": {"name": name}});
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        ids.push(text(&admin.post("/qos-specs", specs(name)).await.expect(200)["qos_specs"]["id"]));
    }
    let kind = admin.post("/types", json!({"volume_type": {"name": "gold"}})).await.expect(200)["volume_type"].clone();
    let kind = text(&kind["id"]);
    let path = |id: &str, verb: &str| format!("/qos-specs/{id}/{verb}?vol_type_id={kind}");
    let (one, two) = (ids[0].as_str(), ids[1].as_str());
    admin.get(&path(one, "associate")).await.expect(202);
    admin.get(&path(one, "associate")).await.expect(202);
    let message = format!("Invalid volume type: Type {kind} is already associated with another qos specs: {one}");
    admin.get(&path(two, "associate")).await.refused(400, &message);
    let expected = json!({"qos_associations": [{"association_type": "volume_type", "name": "gold", "id": kind}]});
    assert_eq!(admin.get(&format!("/qos-specs/{one}/associations")).await.expect(200), expected);
    assert_eq!(admin.get(&format!("/types/{kind}")).await.expect(200)["volume_type"]["qos_specs_id"], one);
    admin.delete(&format!("/qos-specs/{one}")).await.refused(400, "Qos specs still in use.");
    admin.get(&path(two, "disassociate")).await.expect(202);
    assert_eq!(admin.get(&format!("/qos-specs/{one}/associations")).await.expect(200), expected, "it obeys others");
    admin.get(&path(one, "disassociate")).await.expect(202);
    assert_eq!(admin.get(&format!("/types/{kind}")).await.expect(200)["volume_type"]["qos_specs_id"], Value::Null);
    admin.get(&path(one, "associate")).await.expect(202);
    admin.get(&format!("/qos-specs/{one}/disassociate_all")).await.expect(202);
    admin.get(&path(one, "associate")).await.expect(202);
    admin.delete(&format!("/qos-specs/{one}?force=True")).await.expect(202);
    assert_eq!(admin.get(&format!("/types/{kind}")).await.expect(200)["volume_type"]["qos_specs_id"], Value::Null);

    let no_type = "Volume Type id must not be None.";
    admin.get(&format!("/qos-specs/{two}/associate")).await.refused(400, no_type);
    admin.get(&format!("/qos-specs/{two}/disassociate")).await.refused(400, no_type);
    let unknown = format!("Volume type {NOBODY} could not be found.");
    admin.get(&format!("/qos-specs/{two}/associate?vol_type_id={NOBODY}")).await.refused(404, &unknown);
    for verb in ["associations", "disassociate_all", "associate?vol_type_id=x"] {
        assert_eq!(admin.get(&format!("/qos-specs/{NOBODY}/{verb}")).await.code(), 404, "{verb}");
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let world = World::new().await;
    let admin = world.admin();
    for name in ["a", "b", "c"] {
        admin.post("/qos-specs", json!({"qos_specs": {"name": name, "limit": name}})).await.expect(200);
    }
    let page = admin.get("/qos-specs?limit=2&sort=name:asc").await.expect(200);
    let names = |page: &Value| page["qos_specs"].as_array().expect("a list").iter().map(|s| text(&s["name"])).collect();
    let first: Vec<String> = names(&page);
    assert_eq!(first, ["a", "b"]);
    assert_eq!(page["qos_specs"][1]["specs"], json!({"limit": "b"}));
    let href = text(&page["qos_specs_links"][0]["href"]);
    let (_, query) = href.split_once('?').expect("parameters");
    let second: Vec<String> = names(&admin.get(&format!("/qos-specs?{query}")).await.expect(200));
    assert_eq!(second, ["c"]);
    let found: Vec<String> = names(&admin.get("/qos-specs?name=b").await.expect(200));
    assert_eq!(found, ["b"]);
    assert_eq!(keys(&admin.get("/qos-specs").await.expect(200)), ["qos_specs"]);
}
