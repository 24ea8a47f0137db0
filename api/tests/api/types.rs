//! Volume types and what hangs on them (contract §1.10).

use domain::Timestamp;
use serde_json::{Value, json};

use crate::world::{Client, OURS, World, keys, text};

async fn made(admin: Client<'_>, body: Value) -> String {
    text(&admin.post("/types", json!({"volume_type": body})).await.expect(200)["volume_type"]["id"])
}

async fn listed(client: Client<'_>, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/types{query}")).await.expect(200);
    let mut names: Vec<String> =
        answer["volume_types"].as_array().expect("a list").iter().map(|kind| text(&kind["name"])).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_type_is_made_changed_and_removed() {
    let world = World::new().await;
    let admin = world.admin();
    let body = json!({"volume_type": {"name": " gold ", "description": "d", "extra_specs": {"a": "b", "none": null}}});
    let created = admin.post("/types", body.clone()).await.expect(200)["volume_type"].clone();
    assert_eq!(
        keys(&created),
        ["description", "extra_specs", "id", "is_public", "name", "os-volume-type-access:is_public"]
    );
    assert_eq!((&created["name"], &created["extra_specs"]), (&json!("gold"), &json!({"a": "b", "none": ""})));
    let path = format!("/types/{}", text(&created["id"]));
    let shown = admin.get(&path).await.expect(200)["volume_type"].clone();
    assert_eq!(shown["qos_specs_id"], Value::Null);
    assert_eq!(keys(&shown).len(), 7);
    admin.post("/types", body).await.refused(409, "Volume Type gold already exists.");
    let changed = admin.put(&path, json!({"volume_type": {"name": "silver", "is_public": false}})).await.expect(200);
    assert_eq!(keys(&changed["volume_type"]), ["description", "extra_specs", "id", "is_public", "name"]);
    assert_eq!(changed["volume_type"]["description"], "d");
    admin.put(&path, json!({"volume_type": {"name": " "}})).await.refused(400, "Volume type name can not be empty.");
    let message = "Specify volume type name, description, is_public or a combination thereof.";
    admin.put(&path, json!({"volume_type": {}})).await.refused(400, message);
    admin.delete(&path).await.expect(202);
    let gone = format!("Volume type {} could not be found.", text(&created["id"]));
    admin.get(&path).await.refused(404, &gone);
    admin.put(&path, json!({"volume_type": {"name": "x"}})).await.refused(404, &gone);
    admin.delete(&path).await.refused(404, &gone);
    assert_eq!(admin.post("/types", json!({"volume_type": {"name": ""}})).await.code(), 400);
    assert_eq!(admin.post("/types", json!({"volume_type": {"name": " "}})).await.code(), 400);
}

#[tokio::test]
async fn only_administrators_change_types() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    let id = made(admin, json!({"name": "gold", "extra_specs": {"secret": "s", "multiattach": "<is> True"}})).await;
    let path = format!("/types/{id}");
    let refused = "Policy doesn't allow volume_extension:type_create to be performed.";
    member.post("/types", json!({"volume_type": {"name": "x"}})).await.refused(403, refused);
    assert_eq!(member.put(&path, json!({"volume_type": {"name": "x"}})).await.code(), 403);
    assert_eq!(member.delete(&path).await.code(), 403);
    let specs = format!("{path}/extra_specs");
    assert_eq!(member.post(&specs, json!({"extra_specs": {"a": "b"}})).await.code(), 403);
    assert_eq!(member.put(&format!("{specs}/a"), json!({"a": "b"})).await.code(), 403);
    assert_eq!(member.delete(&format!("{specs}/secret")).await.code(), 403);
    assert_eq!(member.get(&format!("{path}/encryption")).await.code(), 403);
    assert_eq!(member.get(&format!("{path}/os-volume-type-access")).await.code(), 403);
    assert_eq!(member.get("/qos-specs").await.code(), 403);

    let seen = member.get(&path).await.expect(200)["volume_type"].clone();
    assert_eq!(seen["extra_specs"], json!({"multiattach": "<is> True"}), "no specs that are not for everybody");
    assert_eq!(seen.get("qos_specs_id"), None);
    assert_eq!(member.get(&specs).await.expect(200), json!({"extra_specs": {"multiattach": "<is> True"}}));
    assert_eq!(member.get(&format!("{specs}/secret")).await.code(), 404);
    assert_eq!(member.get(&format!("{specs}/multiattach")).await.expect(200), json!({"multiattach": "<is> True"}));
}

#[tokio::test]
async fn extra_specs_come_and_go_key_by_key() {
    let world = World::new().await;
    let admin = world.admin();
    let id = made(admin, json!({"name": "gold", "extra_specs": {"spec1": "val1"}})).await;
    let path = format!("/types/{id}/extra_specs");
    let added = admin.post(&path, json!({"extra_specs": {"spec2": "val2"}})).await.expect(200);
    assert_eq!(added, json!({"extra_specs": {"spec2": "val2"}}));
    assert_eq!(admin.put(&format!("{path}/spec1"), json!({"spec1": "new"})).await.expect(200), json!({"spec1": "new"}));
    let all = json!({"extra_specs": {"spec1": "new", "spec2": "val2"}});
    assert_eq!(admin.get(&path).await.expect(200), all);
    admin.delete(&format!("{path}/spec2")).await.expect(202);
    let missing = format!("Volume Type {id} has no extra specs with key spec2.");
    admin.delete(&format!("{path}/spec2")).await.refused(404, &missing);
    admin.get(&format!("{path}/spec2")).await.refused(404, &missing);

    let mismatch = admin.put(&format!("{path}/other"), json!({"spec1": "x"})).await;
    mismatch.refused(400, "Request body and URI mismatch");
    for bad in [json!(null), json!({}), json!({"spec1": "x", "spec2": "y"}), json!({"spec1": 5}), json!({"a b": "c"})] {
        assert_eq!(admin.put(&format!("{path}/spec1"), bad.clone()).await.code(), 400, "{bad}");
    }
    for bad in [json!(null), json!({}), json!({"extra_specs": null}), json!({"extra_specs": ["invalid"]})] {
        assert_eq!(admin.post(&path, bad.clone()).await.code(), 400, "{bad}");
    }
    let both = json!({"extra_specs": {"multiattach": "<is> True", "cacheable": "<is> True"}});
    admin.post(&path, both).await.refused(400, "cacheable cannot be set with multiattach.");
    assert_eq!(admin.get(&path).await.expect(200), json!({"extra_specs": {"spec1": "new"}}), "nothing was changed");

    let nowhere = "/types/11111111-1111-4111-8111-111111111111/extra_specs";
    assert_eq!(admin.get(nowhere).await.code(), 404);
    assert_eq!(admin.post(nowhere, json!({"extra_specs": {"a": "b"}})).await.code(), 404);
    assert_eq!(admin.put(&format!("{nowhere}/a"), json!({"a": "b"})).await.code(), 404);
    assert_eq!(admin.put(&format!("{nowhere}/a"), json!({"b": "b"})).await.code(), 404);
    assert_eq!(admin.delete(&format!("{nowhere}/a")).await.code(), 404);
}

#[tokio::test]
async fn what_has_volumes_stays() {
    let world = World::new().await;
    let admin = world.admin();
    let id = made(admin, json!({"name": "gold", "extra_specs": {"a": "b"}})).await;
    let body = json!({"volume": {"size": 1, "volume_type": "gold"}});
    let volume = admin.post("/volumes", body).await.expect(202)["volume"].clone();
    assert_eq!(volume["volume_type"], "gold");
    let path = format!("/types/{id}");
    admin.delete(&path).await.refused(400, "Target volume type is still in use.");
    let in_use = "Volume Type is currently in use.";
    admin.post(&format!("{path}/extra_specs"), json!({"extra_specs": {"c": "d"}})).await.refused(400, in_use);
    admin.put(&format!("{path}/extra_specs/a"), json!({"a": "d"})).await.refused(400, in_use);
    admin.delete(&format!("{path}/extra_specs/a")).await.refused(400, in_use);
    let encryption = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
    let message = "Cannot create encryption specs. Volume type in use.";
    admin.post(&format!("{path}/encryption"), encryption).await.refused(400, message);
}

#[tokio::test]
async fn the_default_is_the_project_s_and_stays() {
    let world = World::new().await;
    let (admin, member) = (world.admin().at("3.62"), world.member().at("3.62"));
    let configured = admin.get("/types/default").await.expect(200)["volume_type"].clone();
    assert_eq!(configured["name"], "__DEFAULT__");
    let stays = |id: &str| format!("The volume type {id} is a default volume type and cannot be deleted.");
    let id = text(&configured["id"]);
    admin.delete(&format!("/types/{id}")).await.refused(400, &stays(&id));

    let id = made(admin, json!({"name": "gold"})).await;
    let path = format!("/default-types/{OURS}");
    let body = json!({"default_type": {"volume_type": "gold"}});
    let refused = "You are not authorized to perform this operation.";
    member.put(&path, body.clone()).await.refused(403, refused);
    member.get("/default-types").await.refused(403, refused);
    admin.at("3.61").put(&path, body.clone()).await.refused(404, "The resource could not be found.");
    let set = admin.put(&path, body).await.expect(200);
    assert_eq!(set, json!({"default_type": {"project_id": OURS, "volume_type_id": id}}));
    assert_eq!(admin.get(&path).await.expect(200), set);
    assert_eq!(admin.get("/default-types").await.expect(200), json!({"default_types": [set["default_type"]]}));
    assert_eq!(member.get("/types/default").await.expect(200)["volume_type"]["name"], "gold");
    let volume = member.post("/volumes", json!({"volume": {"size": 1}})).await.expect(202);
    assert_eq!(volume["volume"]["volume_type"], "gold");
    let theirs = world.stranger().post("/volumes", json!({"volume": {"size": 1}})).await.expect(202);
    assert_eq!(theirs["volume"]["volume_type"], "__DEFAULT__");
    admin.delete(&format!("/types/{id}")).await.refused(400, &stays(&id));
    for bad in [json!({}), json!({"default_type": {}}), json!({"default_type": {"volume_type": "nope"}})] {
        assert_eq!(admin.put(&path, bad.clone()).await.code(), 400, "{bad}");
    }
    assert_eq!(admin.delete(&path).await.code(), 204);
    assert_eq!(admin.delete(&path).await.code(), 204);
    admin.get(&path).await.refused(404, &format!("Default type for project {OURS} not found."));
}

#[tokio::test]
async fn a_private_type_is_for_its_projects() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    let id = made(admin, json!({"name": "secret", "os-volume-type-access:is_public": false})).await;
    let (path, access) = (format!("/types/{id}"), format!("/types/{id}/os-volume-type-access"));
    let body = json!({"volume": {"size": 1, "volume_type": "secret"}});
    member.get(&path).await.refused(404, &format!("Volume type {id} could not be found."));
    member.post("/volumes", body.clone()).await.refused(404, "Volume type with name secret could not be found.");
    let by_id = json!({"volume": {"size": 1, "volume_type": id}});
    member.post("/volumes", by_id.clone()).await.refused(404, &format!("Volume type {id} could not be found."));
    assert_eq!(listed(member, "").await, ["__DEFAULT__"]);
    assert_eq!(listed(member, "?is_public=None").await, ["__DEFAULT__"]);
    assert_eq!(listed(admin, "").await, ["__DEFAULT__"]);
    assert_eq!(listed(admin, "?is_public=None").await, ["__DEFAULT__", "secret"]);
    assert_eq!(listed(admin, "?is_public=false").await, ["secret"]);
    admin.get("/types?is_public=zz").await.refused(400, "Invalid is_public filter [zz]");

    let add = json!({"addProjectAccess": {"project": OURS}});
    assert_eq!(member.post(&format!("{path}/action"), add.clone()).await.code(), 403);
    admin.post(&format!("{path}/action"), add.clone()).await.expect(202);
    let exists = format!("Volume type access for {id} / {OURS} combination already exists.");
    admin.post(&format!("{path}/action"), add.clone()).await.refused(409, &exists);
    let granted = json!({"volume_type_access": [{"volume_type_id": id, "project_id": OURS}]});
    assert_eq!(admin.get(&access).await.expect(200), granted);
    assert_eq!(listed(member, "").await, ["__DEFAULT__", "secret"]);
    member.post("/volumes", body.clone()).await.expect(202);
    member.post("/volumes", by_id).await.expect(202);
    assert_eq!(world.stranger().post("/volumes", body).await.code(), 404);

    let remove = json!({"removeProjectAccess": {"project": OURS}});
    admin.post(&format!("{path}/action"), remove.clone()).await.expect(202);
    let missing = format!("Volume type access not found for {id} / {OURS} combination.");
    admin.post(&format!("{path}/action"), remove).await.refused(404, &missing);
    assert_eq!(member.get(&path).await.code(), 404);
    for bad in
        [json!({}), json!({"addProjectAccess": {}}), json!({"addProjectAccess": {"project": ""}}), json!({"x": 1})]
    {
        assert_eq!(admin.post(&format!("{path}/action"), bad.clone()).await.code(), 400, "{bad}");
    }
    let public = made(admin, json!({"name": "public"})).await;
    let message = "Invalid volume type: Type access modification is not applicable to public volume type.";
    admin.post(&format!("/types/{public}/action"), add).await.refused(400, message);
    let message = "Access list not available for public volume types.";
    admin.get(&format!("/types/{public}/os-volume-type-access")).await.refused(404, message);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    made(admin, json!({"name": "a", "extra_specs": {"RESKEY:availability_zones": "z1, z2", "secret": "s"}})).await;
    made(admin, json!({"name": "b", "extra_specs": {"multiattach": "<is> True"}})).await;
    assert_eq!(listed(admin, "?name=a").await, ["a"]);
    assert_eq!(listed(admin, "?bogus=a").await, Vec::<String>::new());
    assert_eq!(listed(admin, "?extra_specs={'secret':+'s'}").await, ["a"]);
    let multiattach = "?extra_specs=%7B'multiattach'%3A+'%3Cis%3E+True'%7D";
    assert_eq!(listed(member.at("3.52"), multiattach).await, ["b"]);
    assert_eq!(listed(member.at("3.51"), multiattach).await.len(), 3, "before 3.52 it filters nothing");
    let zones = "?extra_specs=%7B'RESKEY%3Aavailability_zones'%3A+'z2'%7D";
    assert_eq!(listed(member.at("3.52"), zones).await, ["a"]);
    assert_eq!(listed(member.at("3.52"), "?extra_specs={'secret':+'s'}").await, Vec::<String>::new());
    let refused = "Invalid filters bogus are found in query options.";
    member.at("3.52").get("/types?bogus=1").await.refused(400, refused);
    assert_eq!(listed(member.at("3.51"), "?bogus=1").await.len(), 3);

    let first = admin.get("/types?sort=name:asc&limit=2").await.expect(200);
    let names: Vec<_> =
        first["volume_types"].as_array().expect("a list").iter().map(|kind| text(&kind["name"])).collect();
    assert_eq!(names, ["__DEFAULT__", "a"]);
    let next = text(&first["volume_type_links"][0]["href"]);
    let (_, query) = next.split_once('?').expect("parameters");
    assert_eq!(listed(admin, &format!("?{query}")).await, ["b"]);
    assert_eq!(admin.get("/types?sort=bogus").await.code(), 400);
    assert_eq!(admin.get("/types?marker=bogus").await.code(), 404);
}

#[tokio::test]
async fn encryption_is_kept_and_its_volumes_are_refused() {
    let world = World::new().await;
    let admin = world.admin();
    let id = made(admin, json!({"name": "safe"})).await;
    let path = format!("/types/{id}/encryption");
    assert_eq!(admin.get(&path).await.expect(200), json!({}));
    let missing = format!("Volume type encryption for type {id} does not exist.");
    admin.put(&format!("{path}/provider"), json!({"encryption": {"cipher": "c"}})).await.refused(404, &missing);
    let body = json!({"encryption": {"provider": "LuksEncryptor", "control_location": "front-end", "key_size": "256",
        "cipher": "aes-xts-plain64"}});
    let created = admin.post(&path, body.clone()).await.expect(200)["encryption"].clone();
    assert_eq!((&created["volume_type_id"], &created["key_size"]), (&json!(id), &json!(256)));
    let exists = format!("Volume type encryption for type {id} already exists.");
    admin.post(&path, body.clone()).await.refused(400, &exists);
    let shown = admin.get(&path).await.expect(200);
    assert_eq!((&shown["encryption_id"], &shown["deleted"]), (&created["encryption_id"], &json!(false)));
    assert_eq!(admin.get(&format!("{path}/cipher")).await.expect(200), json!({"cipher": "aes-xts-plain64"}));
    admin.get(&format!("{path}/bogus")).await.refused(404, &missing);
    let change = json!({"encryption": {"key_size": 512, "control_location": "back-end"}});
    assert_eq!(admin.put(&format!("{path}/provider"), change.clone()).await.expect(200), change);
    let shown = admin.get(&path).await.expect(200);
    let seen = (&shown["key_size"], &shown["control_location"], &shown["provider"]);
    assert_eq!(seen, (&json!(512), &json!("back-end"), &json!("LuksEncryptor")));
    for bad in [
        json!({}),
        json!({"encryption": {"provider": "p"}}),
        json!({"encryption": {"provider": "p", "control_location": "middle"}}),
        json!({"encryption": {"provider": "p", "control_location": "front-end", "key_size": "many"}}),
        json!({"encryption": {"provider": "p", "control_location": "front-end", "key_size": -1}}),
    ] {
        assert_eq!(admin.post(&path, bad.clone()).await.code(), 400, "{bad}");
    }
    let volume = json!({"volume": {"size": 1, "volume_type": "safe"}});
    admin.post("/volumes", volume).await.refused(400, "Key manager error");
    admin.delete(&format!("{path}/provider")).await.expect(202);
    admin.delete(&format!("{path}/provider")).await.refused(404, &missing);
    let nowhere = "/types/11111111-1111-4111-8111-111111111111/encryption";
    assert_eq!(admin.post(nowhere, body).await.code(), 404);
    let volume = world.member().volume(1).await;
    let shown = world.member().get(&format!("/volumes/{volume}/encryption")).await.expect(200);
    assert_eq!(shown, json!({"encryption_key_id": null}));
    let key = world.member().get(&format!("/volumes/{volume}/encryption/encryption_key_id")).await.expect(200);
    assert_eq!(key, Value::Null);
    assert_eq!(world.stranger().get(&format!("/volumes/{volume}/encryption")).await.code(), 404);
}

#[tokio::test]
async fn volumes_are_as_their_type_says() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    made(admin, json!({"name": "shared", "extra_specs": {"multiattach": "<is> True"}})).await;
    made(admin, json!({"name": "small", "extra_specs": {"provisioning:max_vol_size": "2"}})).await;
    made(admin, json!({"name": "zoned", "extra_specs": {"RESKEY:availability_zones": "elsewhere"}})).await;
    made(admin, json!({"name": "b1", "extra_specs": {"volume_backend_name": "one"}})).await;
    made(admin, json!({"name": "b2", "extra_specs": {"volume_backend_name": "two"}})).await;
    let of = |kind: &str, size: i64| json!({"volume": {"size": size, "volume_type": kind}});
    let shared = member.post("/volumes", of("shared", 1)).await.expect(202)["volume"].clone();
    assert_eq!(shared["multiattach"], true);
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    member.post("/volumes", of("small", 2)).await.expect(202);
    let message = "Invalid input received: Specified volume size of '3' is greater than the maximum allowable size of \
                   '2' for volume type 'small'.";
    member.post("/volumes", of("small", 3)).await.refused(400, message);
    let zone =
        member.post("/volumes", json!({"volume": {"size": 1, "volume_type": "zoned", "availability_zone": "nova"}}));
    zone.await.refused(400, "Availability zone 'nova' is invalid.");
    let zoned = member.post("/volumes", of("zoned", 1)).await.expect(202);
    assert_eq!(zoned["volume"]["availability_zone"], "elsewhere");

    let copy = json!({"volume": {"source_volid": shared["id"]}});
    let copy = member.post("/volumes", copy).await.expect(202)["volume"].clone();
    assert_eq!((&copy["volume_type"], &copy["multiattach"]), (&json!("shared"), &json!(true)), "as its source");
    let source = member.post("/volumes", of("b1", 1)).await.expect(202)["volume"]["id"].clone();
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    let other = member.post("/volumes", json!({"volume": {"source_volid": source, "volume_type": "b2"}})).await;
    assert_eq!(other.code(), 400);
    assert!(other.fault().2.contains("requested type is not compatible"), "{}", other.text);
}

#[tokio::test]
async fn a_volume_gets_another_type() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    let gold = made(admin, json!({"name": "gold"})).await;
    made(admin, json!({"name": "shared", "extra_specs": {"multiattach": "<is> True"}})).await;
    let secret = made(admin, json!({"name": "secret", "os-volume-type-access:is_public": false})).await;
    made(admin, json!({"name": "small", "extra_specs": {"provisioning:max_vol_size": "1"}})).await;
    let limited = made(admin, json!({"name": "limited"})).await;
    let specs = json!({"qos_specs": {"name": "q", "consumer": "front-end"}});
    let specs = text(&admin.post("/qos-specs", specs).await.expect(200)["qos_specs"]["id"]);
    admin.get(&format!("/qos-specs/{specs}/associate?vol_type_id={limited}")).await.expect(202);
    let volume = member.volume(2).await;
    let path = format!("/volumes/{volume}/action");
    let retype = |kind: &str| json!({"os-retype": {"new_type": kind, "migration_policy": "on-demand"}});
    let before = world.rows().await;
    member.post(&path, retype("nope")).await.refused(404, "Volume type with name nope could not be found.");
    assert_eq!(member.post(&path, retype(&secret)).await.code(), 404, "a type that is hidden");
    assert_eq!(world.stranger().post(&path, retype("gold")).await.code(), 404);
    assert_eq!(member.post(&path, retype("small")).await.code(), 400);
    let refused = member.post(&path, retype("__DEFAULT__")).await;
    assert_eq!(refused.code(), 400);
    assert!(refused.fault().2.contains("requested type has to be different"), "{}", refused.text);
    for bad in [
        json!({"os-retype": {}}),
        json!({"os-retype": {"new_type": 5}}),
        json!({"os-retype": {"new_type": "gold", "migration_policy": "sometimes"}}),
        json!({"os-retype": {"new_type": "gold", "migration_policy": null}}),
        json!({"os-retype": null}),
    ] {
        assert_eq!(member.post(&path, bad.clone()).await.code(), 400, "{bad}");
    }
    assert_eq!(world.rows().await, before, "nothing was changed");

    world.set_volume(&volume, domain::volume::VolumeStatus::InUse).await;
    let refused = member.post(&path, retype("shared")).await;
    assert!(refused.fault().2.contains("only allowed on available volumes"), "{}", refused.text);
    assert_eq!(member.post(&path, retype("limited")).await.code(), 400, "its limits are the server's to change");
    world.set_volume(&volume, domain::volume::VolumeStatus::Available).await;

    member.post(&path, retype(&gold)).await.expect(202);
    assert_eq!(member.volume_status(&volume).await, "retyping");
    assert_eq!(member.post(&path, retype("shared")).await.code(), 400, "one at a time");
    let jobs = world.jobs().await;
    let domain::job::Subject::VolumeMove { to_type, may_move: true, .. } = &jobs[0].subject else { panic!("{jobs:?}") };
    assert_eq!(to_type.as_deref(), Some(gold.as_str()));
    world.finish_jobs(domain::job::Ending::Failed).await;
    assert_eq!(member.volume_status(&volume).await, "available");
}

#[tokio::test]
async fn a_type_s_limit_holds_for_retypes() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    made(admin, json!({"name": "gold"})).await;
    let limit = json!({"quota_set": {"volumes_gold": 0}});
    admin.put(&format!("/os-quota-sets/{OURS}"), limit).await.expect(200);
    let volume = member.volume(1).await;
    let before = world.rows().await;
    let path = format!("/volumes/{volume}/action");
    assert_eq!(member.post(&path, json!({"os-retype": {"new_type": "gold"}})).await.code(), 413);
    assert_eq!(world.rows().await, before, "nothing was changed");
}

#[tokio::test]
async fn migrations_go_where_a_worker_reaches() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    let volume = member.volume(1).await;
    let path = format!("/volumes/{volume}/action");
    let migrate = |host: &str| json!({"os-migrate_volume": {"host": host}});
    assert_eq!(member.post(&path, migrate("x")).await.code(), 403);
    admin.post(&path, migrate("nowhere")).await.refused(400, "Invalid host: No available service named 'nowhere'");
    for (version, bad) in [
        ("3.0", json!({"os-migrate_volume": {}})),
        ("3.0", json!({"os-migrate_volume": {"host": null}})),
        ("3.16", json!({"os-migrate_volume": {}})),
        ("3.16", json!({"os-migrate_volume": {"host": "a", "cluster": "b"}})),
        ("3.16", json!({"os-migrate_volume": {"cluster": "b"}})),
        ("3.0", json!({"os-migrate_volume": {"host": "a", "cluster": "b"}})),
    ] {
        assert_eq!(admin.at(version).post(&path, bad.clone()).await.code(), 400, "{version} {bad}");
    }
    world.workers(&["fast", "slow"]).await;
    admin.post(&path, migrate("node-1@slow#slow")).await.expect(202);
    assert_eq!(member.volume_status(&volume).await, "maintenance");
    let shown = admin.get(&format!("/volumes/{volume}")).await.expect(200)["volume"].clone();
    assert_eq!(shown["os-vol-mig-status-attr:migstat"], "starting");
    let jobs = world.jobs().await;
    let domain::job::Subject::VolumeMove { to_pool, to_type: None, .. } = &jobs[0].subject else { panic!("{jobs:?}") };
    assert_eq!(to_pool.as_deref(), Some("slow"));
    assert_eq!(admin.post(&path, migrate("node-1@slow#slow")).await.code(), 400, "one at a time");
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    let other = member.volume(1).await;
    let body = json!({"os-migrate_volume_completion": {"new_volume": other}});
    assert_eq!(member.post(&path, body.clone()).await.code(), 403);
    assert_eq!(admin.post(&path, body).await.code(), 400);
    let kept = member.volume(1).await;
    member.snapshot(&kept).await;
    let path = format!("/volumes/{kept}/action");
    assert_eq!(admin.post(&path, migrate("node-1@slow#slow")).await.code(), 400, "it has a snapshot");
}

#[tokio::test]
async fn a_volume_that_no_pool_took_goes_at_once_and_lets_its_type_go() {
    let world = World::new().await;
    let (admin, member) = (world.admin(), world.member());
    let kind = made(admin, json!({"name": "bogus"})).await;
    let body = json!({"volume": {"size": 1, "volume_type": "bogus"}});
    let volume = member.post("/volumes", body).await.expect(202)["volume"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/volumes/{volume}");
    world.set_volume(&volume, domain::volume::VolumeStatus::Error).await;
    member.delete(&path).await.expect(202);
    assert_eq!(member.volume_status(&volume).await, "deleting", "it waits for the job that still makes it");

    // The schedulers end the jobs without having given them to anybody.
    for job in world.jobs().await {
        let mut tx = world.database.begin("test: no place").await.expect("begin");
        let failed = domain::job::Ending::Failed;
        assert!(
            db::jobs::finish(&mut tx, job.id, job.generation, failed, None, Timestamp::now()).await.expect("ended")
        );
        tx.commit().await.expect("commit");
    }
    world.set_volume(&volume, domain::volume::VolumeStatus::Error).await;
    member.delete(&path).await.expect(202);
    assert!(world.jobs().await.is_empty(), "nothing is left to do");
    assert_eq!(member.get(&path).await.code(), 404);
    admin.delete(&format!("/types/{kind}")).await.expect(202);
    let limits = member.get("/limits").await.expect(200)["limits"]["absolute"].clone();
    assert_eq!((&limits["totalVolumesUsed"], &limits["totalGigabytesUsed"]), (&json!(0), &json!(0)));
}
