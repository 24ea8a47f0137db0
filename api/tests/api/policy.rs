//! A policy file: what it says counts instead of Cinder's defaults.

use std::path::PathBuf;

use serde_json::json;

use super::world::World;

async fn world(folder: &tempfile::TempDir, name: &str, text: &str) -> World {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    World::with(|config| config.oslo_policy.policy_file = Some(path)).await
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_rule_of_the_file_counts_and_the_others_stay() {
    let folder = folder();
    let text = "# operators write so\n\"volume:create\": \"role:admin\"\n\"volume_extension:services:index\": \"rule:everyone\"\n\
                \"everyone\": \"@\"\n\"backup:get_all\": \"!\"\n\"nobody:asks\": \"@\"\n";
    let world = world(&folder, "policy.yaml", text).await;
    let volume = json!({"volume": {"size": 1}});
    let refused = world.member().post("/volumes", volume.clone()).await;
    refused.refused(403, "Policy doesn't allow volume:create to be performed.");
    world.admin().post("/volumes", volume).await.expect(202);
    world.member().get("/os-services").await.expect(200);
    assert_eq!(world.admin().get("/backups").await.code(), 403, "nobody is nobody");
    world.member().get("/volumes").await.expect(200);
    assert_eq!(world.member().get("/scheduler-stats/get_pools").await.code(), 403);
}

#[tokio::test]
async fn shared_rules_can_be_changed_in_one_place() {
    let folder = folder();
    let world = world(&folder, "policy.json", r#"{"admin_api": "rule:context_is_admin or role:member"}"#).await;
    world.member().get("/os-services").await.expect(200);
    let foreign = world.stranger().volume(1).await;
    assert_eq!(world.member().get(&format!("/volumes/{foreign}")).await.code(), 404, "he is still no administrator");
}

#[tokio::test]
async fn who_is_an_administrator_is_a_rule_too() {
    let folder = folder();
    let world = world(&folder, "policy.yaml", "context_is_admin: role:nobody\n").await;
    let foreign = world.stranger().volume(1).await;
    assert_eq!(world.admin().get(&format!("/volumes/{foreign}")).await.code(), 404);
}
