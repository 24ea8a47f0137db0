//! Groups and their snapshots (contract §1.10).

use domain::job::{Ending, JobKind};
use domain::quota::Resource;
use serde_json::{Value, json};

use crate::world::{Client, World, keys, text};

const OLDER_TYPE: &str = "7a1f0c52-93d4-4e0b-8a46-c5b8e2f19d37";

async fn group_type(world: &World) -> String {
    let body = json!({"group_type": {"name": "kept-together"}});
    text(&world.admin().at("3.11").post("/group_types", body).await.expect(202)["group_type"]["id"])
}

async fn group(client: Client<'_>, kind: &str) -> String {
    let body = json!({"group": {"name": "g", "group_type": kind, "volume_types": ["__DEFAULT__"]}});
    let made = client.at("3.13").post("/groups", body).await.expect(202)["group"].clone();
    assert_eq!(keys(&made), ["id", "name"]);
    text(&made["id"])
}

async fn volume_in(client: Client<'_>, group: &str) -> String {
    let body = json!({"volume": {"size": 1, "volume_type": "__DEFAULT__", "group_id": group}});
    let made = client.at("3.13").post("/volumes", body).await.expect(202);
    assert_eq!(made["volume"]["group_id"], group);
    client.world().finish_jobs(Ending::Succeeded).await;
    text(&made["volume"]["id"])
}

async fn show(client: Client<'_>, path: &str, key: &str) -> Value {
    client.at("3.25").get(path).await.expect(200)[key].clone()
}

#[tokio::test]
async fn a_group_is_made_seen_and_goes_with_its_volumes() {
    let world = World::new().await;
    let (member, kind) = (world.member(), group_type(&world).await);
    let id = group(member, &kind).await;
    let volume = volume_in(member, &id).await;
    let path = format!("/groups/{id}");
    let base = ["availability_zone", "created_at", "description", "group_type", "id", "name", "status", "volume_types"];
    let newer = [
        ("3.13", vec![]),
        ("3.14", vec!["group_snapshot_id", "source_group_id"]),
        ("3.38", vec!["group_snapshot_id", "replication_status", "source_group_id"]),
    ];
    for (version, more) in newer {
        let mut expected: Vec<&str> = base.iter().copied().chain(more).collect();
        expected.sort_unstable();
        assert_eq!(keys(&member.at(version).get(&path).await.expect(200)["group"]), expected, "{version}");
    }
    assert!(world.admin().at("3.58").get(&path).await.expect(200)["group"]["project_id"].is_string());
    assert_eq!(member.at("3.58").get(&path).await.expect(200)["group"].get("project_id"), None);
    let listed = member.at("3.25").get("/groups/detail?list_volume=True").await.expect(200);
    assert_eq!(listed["groups"][0]["volumes"], json!([volume]));
    assert_eq!(listed["groups"][0]["status"], "available");
    let of_group = member.at("3.31").get(&format!("/volumes?group_id={id}")).await.expect(200);
    assert_eq!(of_group["volumes"].as_array().map(Vec::len), Some(1));
    let refusal = "Invalid volume: Volume status must be available or error or error_restoring or error_extending or \
                   error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a \
                   transfer, or be disassociated from snapshots after volume transfer.";
    member.delete(&format!("/volumes/{volume}")).await.refused(400, refusal);
    let action = format!("{path}/action");
    let still =
        format!("Invalid Group: Group {id} still contains volumes. The delete-volumes flag is required to delete it.");
    member.at("3.13").post(&action, json!({"delete": {"delete-volumes": false}})).await.refused(400, &still);
    member.at("3.13").post(&action, json!({"delete": {"delete-volumes": true}})).await.expect(202);
    assert_eq!(show(member, &path, "group").await["status"], "deleting");
    let jobs = world.jobs().await;
    assert_eq!(jobs.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::VolumeDelete]);
}

#[tokio::test]
async fn strangers_members_and_older_microversions_are_refused() {
    let world = World::new().await;
    let (member, kind) = (world.member(), group_type(&world).await);
    let id = group(member, &kind).await;
    let path = format!("/groups/{id}");
    let missing = format!("Group {id} could not be found.");
    let stranger = world.stranger().at("3.20");
    stranger.get(&path).await.refused(404, &missing);
    stranger.put(&path, json!({"group": {"name": "x"}})).await.refused(404, &missing);
    stranger.post(&format!("{path}/action"), json!({"delete": {}})).await.refused(404, &missing);
    let body = json!({"create-from-src": {"source_group_id": id}});
    stranger.post("/groups/action", body).await.refused(404, &missing);
    let body = json!({"group_snapshot": {"group_id": id}});
    stranger.post("/group_snapshots", body).await.refused(404, &missing);
    let body = json!({"volume": {"size": 1, "volume_type": "__DEFAULT__", "group_id": id}});
    stranger.post("/volumes", body).await.refused(404, &missing);
    assert_eq!(stranger.get("/groups").await.expect(200), json!({"groups": []}));
    assert_eq!(member.at("3.12").get("/groups").await.code(), 404);
    assert_eq!(member.at("3.13").get("/group_snapshots").await.code(), 404);
    let reset = json!({"reset_status": {"status": "error"}});
    assert_eq!(member.at("3.20").post(&format!("{path}/action"), reset.clone()).await.code(), 403);
    assert_eq!(world.admin().at("3.19").post(&format!("{path}/action"), reset.clone()).await.code(), 400);
    world.admin().at("3.20").post(&format!("{path}/action"), reset).await.expect(202);
    assert_eq!(show(member, &path, "group").await["status"], "error");
    let replicate = json!({"enable_replication": {}});
    let message = format!("Invalid group type: Group {id} is not a replication group type.");
    member.at("3.38").post(&format!("{path}/action"), replicate).await.refused(400, &message);
    let reserved = json!({"group": {"group_type": OLDER_TYPE, "volume_types": ["__DEFAULT__"]}});
    assert_eq!(member.at("3.13").post("/groups", reserved).await.code(), 400);
    let unknown = json!({"group": {"group_type": kind, "volume_types": ["nope"]}});
    assert_eq!(member.at("3.13").post("/groups", unknown).await.code(), 404);
    for path in ["/consistencygroups", "/consistencygroups/detail"] {
        assert_eq!(member.get(path).await.expect(200), json!({"consistencygroups": []}));
    }
    assert_eq!(member.get("/cgsnapshots/detail").await.expect(200), json!({"cgsnapshots": []}));
}

#[tokio::test]
async fn volumes_come_and_go() {
    let world = World::new().await;
    let (member, kind) = (world.member(), group_type(&world).await);
    let (id, other) = (group(member, &kind).await, group(member, &kind).await);
    let volume = volume_in(member, &id).await;
    let path = format!("/groups/{id}");
    let put = |path: String, body: Value| member.at("3.13").with_owned_put(path, json!({"group": body}));
    let taken =
        format!("Invalid volume: Cannot add volume {volume} to group {other} because it is already in group {id}.");
    put(format!("/groups/{other}"), json!({"add_volumes": volume})).await.refused(400, &taken);
    put(path.clone(), json!({"name": "n", "remove_volumes": volume})).await.expect(202);
    let not_there =
        format!("Invalid volume: Cannot remove volume {volume} from group {id} because it is not in the group.");
    put(path.clone(), json!({"remove_volumes": volume})).await.refused(400, &not_there);
    let seen = member.at("3.13").get(&format!("/volumes/{volume}")).await.expect(200);
    assert_eq!(seen["volume"]["group_id"], Value::Null);
    put(path.clone(), json!({"add_volumes": volume})).await.expect(202);
    assert_eq!(show(member, &format!("{path}?list_volume=True"), "group").await["volumes"], json!([volume]));
    assert_eq!(show(member, &path, "group").await["name"], "n");
    let missing = format!("Invalid volume: Cannot add volume x to group {id} because volume cannot be found.");
    put(path.clone(), json!({"add_volumes": "x"})).await.refused(400, &missing);
    assert_eq!(put(path, json!({"name": "n"})).await.code(), 400, "nothing would change");
}

#[tokio::test]
async fn a_group_s_snapshot_is_one_job_and_its_parts_stay_together() {
    let world = World::new().await;
    let (member, kind) = (world.member(), group_type(&world).await);
    let id = group(member, &kind).await;
    let body = json!({"group_snapshot": {"group_id": id, "name": "s"}});
    let empty = "Invalid Group: Group is empty. No group snapshot will be created.";
    member.at("3.14").post("/group_snapshots", body.clone()).await.refused(400, empty);
    for _ in 0..2 {
        volume_in(member, &id).await;
    }
    let made = member.at("3.14").post("/group_snapshots", body.clone()).await.expect(202)["group_snapshot"].clone();
    assert_eq!(keys(&made), ["group_type_id", "id", "name"]);
    let kinds: Vec<_> = world.jobs().await.iter().map(|job| job.kind).collect();
    assert_eq!(kinds, [JobKind::GroupSnapshotCreate]);
    world.finish_jobs(Ending::Succeeded).await;
    let whole = text(&made["id"]);
    let path = format!("/group_snapshots/{whole}");
    assert_eq!(show(member, &path, "group_snapshot").await["status"], "available");
    let parts = member.at("3.14").get("/snapshots/detail").await.expect(200)["snapshots"].clone();
    let parts = parts.as_array().expect("a list").clone();
    assert_eq!(parts.len(), 2);
    for part in &parts {
        assert_eq!((&part["group_snapshot_id"], &part["status"]), (&json!(whole), &json!("available")));
        let alone = format!("/snapshots/{}", text(&part["id"]));
        let message = "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.";
        member.delete(&alone).await.refused(400, message);
    }
    let delete = json!({"delete": {"delete-volumes": true}});
    let message = "Invalid Group: Group has existing snapshots.";
    member.at("3.14").post(&format!("/groups/{id}/action"), delete).await.refused(400, message);
    let body = json!({"create-from-src": {"group_snapshot_id": whole, "name": "copy"}});
    let copy = member.at("3.14").post("/groups/action", body).await.expect(202)["group"].clone();
    let copied = show(member, &format!("/groups/{}?list_volume=True", text(&copy["id"])), "group").await;
    assert_eq!((&copied["status"], &copied["group_snapshot_id"]), (&json!("creating"), &json!(whole)));
    assert_eq!(copied["volumes"].as_array().map(Vec::len), Some(2));
    assert_eq!(member.at("3.14").delete(&path).await.code(), 400, "a group is being made of it");
    world.finish_jobs(Ending::Succeeded).await;
    let copy = format!("/groups/{}/action", text(&copy["id"]));
    world.admin().at("3.20").post(&copy, json!({"reset_status": {"status": "available"}})).await.expect(202);
    member.at("3.14").delete(&path).await.expect(202);
    assert_eq!(show(member, &path, "group_snapshot").await["status"], "deleting");
    assert!(world.jobs().await.iter().all(|job| job.kind == JobKind::SnapshotDelete));
}

#[tokio::test]
async fn groups_count_towards_the_quota() {
    let world = World::new().await;
    let kind = group_type(&world).await;
    world.set_limit(Resource::Groups, 1).await;
    let id = group(world.member(), &kind).await;
    let body = json!({"group": {"group_type": kind, "volume_types": ["__DEFAULT__"]}});
    let message = "GroupLimitExceeded: Maximum number of groups allowed (1) exceeded";
    world.member().at("3.13").post("/groups", body).await.refused(413, message);
    let delete = json!({"delete": {"delete-volumes": false}});
    world.member().at("3.13").post(&format!("/groups/{id}/action"), delete).await.expect(202);
    assert_eq!(world.member().at("3.13").get(&format!("/groups/{id}")).await.code(), 404);
    group(world.member(), &kind).await;
}
