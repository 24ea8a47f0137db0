//! Group types and their specs (contract §1.10).

use serde_json::json;

use crate::world::{World, keys, text};

#[tokio::test]
async fn a_type_is_made_changed_and_removed() {
    let world = World::new().await;
    let admin = world.admin().at("3.11");
    let body = json!({"group_type": {"name": "gold", "description": "d", "is_public": false,
        "group_specs": {"consistent_group_snapshot_enabled": "<is> True"}}});
    let made = admin.post("/group_types", body.clone()).await.expect(202)["group_type"].clone();
    assert_eq!(keys(&made), ["description", "group_specs", "id", "is_public", "name"]);
    assert_eq!(made["group_specs"], json!({"consistent_group_snapshot_enabled": "<is> True"}));
    let path = format!("/group_types/{}", text(&made["id"]));
    assert_eq!(admin.get(&path).await.expect(200)["group_type"], made);
    admin.post("/group_types", body).await.refused(409, "Group Type gold already exists.");
    let changed = admin.put(&path, json!({"group_type": {"name": "silver", "is_public": true}})).await.expect(200);
    assert_eq!(
        (&changed["group_type"]["name"], &changed["group_type"]["description"]),
        (&json!("silver"), &json!("d"))
    );
    let seen = world.member().at("3.11").get(&path).await.expect(200)["group_type"].clone();
    assert_eq!(keys(&seen), ["description", "id", "is_public", "name"], "specs are for administrators");
    admin.put(&path, json!({"group_type": {"name": " "}})).await.refused(400, "Group type name can not be empty.");
    admin.delete(&path).await.expect(202);
    let gone = format!("Group type {} could not be found.", text(&made["id"]));
    admin.get(&path).await.refused(404, &gone);
    admin.put(&path, json!({"group_type": {"name": "x"}})).await.refused(404, &gone);
    admin.delete(&path).await.refused(404, &gone);
}

#[tokio::test]
async fn the_type_of_consistency_groups_is_there_and_stays() {
    let world = World::new().await;
    let admin = world.admin().at("3.11");
    let kinds = admin.get("/group_types").await.expect(200);
    let kind = &kinds["group_types"][0];
    assert_eq!(kind["name"], "default_cgsnapshot_type");
    assert_eq!(kind["group_specs"], json!({"consistent_group_snapshot_enabled": "<is> True"}));
    let path = format!("/group_types/{}", text(&kind["id"]));
    assert_eq!(admin.delete(&path).await.code(), 400);
    assert_eq!(admin.put(&path, json!({"group_type": {"name": "other"}})).await.code(), 400);
}

#[tokio::test]
async fn private_types_are_not_there_for_members() {
    let world = World::new().await;
    let (admin, member) = (world.admin().at("3.11"), world.member().at("3.11"));
    for (name, is_public) in [("a_open", true), ("b_hidden", false)] {
        let body = json!({"group_type": {"name": name, "is_public": is_public}});
        admin.post("/group_types", body).await.expect(202);
    }
    let names = |list: serde_json::Value| -> Vec<String> {
        list["group_types"].as_array().expect("a list").iter().map(|kind| text(&kind["name"])).collect()
    };
    let all = ["a_open", "b_hidden", "default_cgsnapshot_type"];
    assert_eq!(names(admin.get("/group_types?is_public=None&sort=name:asc").await.expect(200)), all);
    assert_eq!(names(admin.get("/group_types?is_public=False").await.expect(200)), ["b_hidden"]);
    assert_eq!(names(admin.get("/group_types?sort=name:desc").await.expect(200)), [all[2], all[0]]);
    assert_eq!(names(member.get("/group_types?is_public=None&sort=name:asc").await.expect(200)), [all[0], all[2]]);
    admin.get("/group_types?is_public=zz").await.refused(400, "Invalid is_public filter [zz]");
    let page = admin.get("/group_types?is_public=None&sort=name:asc&limit=1").await.expect(200);
    assert!(text(&page["group_type_links"][0]["href"]).contains("marker="));
    let hidden = admin.get("/group_types?is_public=False").await.expect(200)["group_types"][0]["id"].clone();
    let path = format!("/group_types/{}", text(&hidden));
    assert_eq!(member.get(&path).await.code(), 404);
}

#[tokio::test]
async fn specs_come_and_go_one_by_one() {
    let world = World::new().await;
    let admin = world.admin().at("3.11");
    let made = admin.post("/group_types", json!({"group_type": {"name": "t"}})).await.expect(202);
    let id = text(&made["group_type"]["id"]);
    let path = format!("/group_types/{id}/group_specs");
    let specs = json!({"group_specs": {"k1": "v1", "k2": "v2"}});
    assert_eq!(admin.post(&path, specs.clone()).await.expect(202), specs);
    assert_eq!(admin.put(&format!("{path}/k2"), json!({"k2": "w"})).await.expect(200), json!({"k2": "w"}));
    assert_eq!(admin.get(&format!("{path}/k2")).await.expect(200), json!({"k2": "w"}));
    assert_eq!(admin.get(&path).await.expect(200), json!({"group_specs": {"k1": "v1", "k2": "w"}}));
    admin.put(&format!("{path}/k2"), json!({"k1": "w"})).await.refused(400, "Request body and URI mismatch");
    let two = json!({"k1": "w", "k2": "w"});
    admin.put(&format!("{path}/k2"), two).await.refused(400, "Request body contains too many items");
    assert_eq!(admin.put(&format!("{path}/k2"), json!({"k2": 5})).await.code(), 400);
    assert_eq!(admin.post(&path, json!({"group_specs": {"ä": "v"}})).await.code(), 400);
    admin.delete(&format!("{path}/k1")).await.expect(202);
    let missing = format!("Group Type {id} has no extra spec with key k1.");
    admin.get(&format!("{path}/k1")).await.refused(404, &missing);
    let missing = format!("Group Type {id} has no specs with key k1.");
    admin.delete(&format!("{path}/k1")).await.refused(404, &missing);
}

#[tokio::test]
async fn members_and_older_microversions_are_refused() {
    let world = World::new().await;
    let member = world.member().at("3.11");
    let body = json!({"group_type": {"name": "t"}});
    let refusal = |rule: &str| format!("Policy doesn't allow {rule} to be performed.");
    member.post("/group_types", body.clone()).await.refused(403, &refusal("group:group_types:create"));
    let id = "7a1f0c52-93d4-4e0b-8a46-c5b8e2f19d37";
    member.delete(&format!("/group_types/{id}")).await.refused(403, &refusal("group:group_types:delete"));
    let specs = format!("/group_types/{id}/group_specs");
    member.get(&specs).await.refused(403, &refusal("group:group_types_specs:get_all"));
    for client in [world.admin(), world.admin().at("3.10")] {
        client.get("/group_types").await.refused(404, "The resource could not be found.");
        assert_eq!(client.post("/group_types", body.clone()).await.code(), 404);
        assert_eq!(client.get(&specs).await.code(), 404);
    }
}

#[tokio::test]
async fn the_default_is_what_the_operator_names() {
    let nothing = World::new().await;
    let message = "Default group type can not be found.";
    nothing.admin().at("3.11").get("/group_types/default").await.refused(404, message);
    let world = World::with(|config| config.default_group_type = Some("default_cgsnapshot_type".into())).await;
    let shown = world.member().at("3.11").get("/group_types/default").await.expect(200);
    assert_eq!(shown["group_type"]["name"], "default_cgsnapshot_type");
}
