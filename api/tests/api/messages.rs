//! User messages: who reads and removes them, how they are filtered and paged (contract §1.10).

use domain::job::Ending;
use serde_json::{Value, json};

use crate::world::{Client, World, keys, text};

/// A volume that could not be made.
async fn broken_volume(client: Client<'_>) -> String {
    let created = client.post("/volumes", json!({"volume": {"size": 1}})).await.expect(202);
    client.world().finish_jobs(Ending::Failed).await;
    text(&created["volume"]["id"])
}

async fn ids(client: Client<'_>, query: &str) -> Vec<String> {
    let listed = client.get(&format!("/messages{query}")).await.expect(200);
    listed["messages"].as_array().expect("a list").iter().map(|message| text(&message["id"])).collect()
}

#[tokio::test]
async fn a_failure_is_told_with_the_request_that_asked() {
    let world = World::new().await;
    let created = world.member().post("/volumes", json!({"volume": {"size": 1}})).await;
    let request_id = created.header("x-openstack-request-id").expect("an id").to_owned();
    let volume = text(&created.expect(202)["volume"]["id"]);
    world.finish_jobs(Ending::Failed).await;
    let member = world.member().at("3.3");
    let listed = member.get("/messages").await.expect(200);
    let message = &listed["messages"][0];
    let expected = [
        "created_at",
        "event_id",
        "guaranteed_until",
        "id",
        "links",
        "message_level",
        "request_id",
        "resource_type",
        "resource_uuid",
        "user_message",
    ];
    assert_eq!(keys(message), expected);
    assert_eq!(message["event_id"], "VOLUME_VOLUME_008_012");
    assert_eq!(message["user_message"], "create volume from backend storage:Driver failed to create the volume.");
    assert_eq!(message["message_level"], "ERROR");
    assert_eq!(message["request_id"], json!(request_id));
    assert_eq!(message["resource_uuid"], json!(volume));
    let path = format!("/messages/{}", text(&message["id"]));
    assert_eq!(member.get(&path).await.expect(200)["message"], *message);
}

#[tokio::test]
async fn what_succeeds_or_is_cancelled_is_not_told() {
    let world = World::new().await;
    let member = world.member().at("3.3");
    let volume = member.volume(1).await;
    member.running_backup(&volume).await;
    world.finish_jobs(Ending::Cancelled).await;
    assert!(ids(member, "").await.is_empty());
}

#[tokio::test]
async fn only_the_project_and_administrators_see_and_remove_them() {
    let world = World::new().await;
    let (member, stranger) = (world.member().at("3.3"), world.stranger().at("3.3"));
    broken_volume(world.member()).await;
    broken_volume(world.stranger()).await;
    let ours = ids(member, "").await;
    assert_eq!(ours.len(), 1);
    assert_eq!(ids(world.admin().at("3.3"), "").await.len(), 2);
    let path = format!("/messages/{}", ours[0]);
    let missing = format!("Message {} could not be found.", ours[0]);
    stranger.get(&path).await.refused(404, &missing);
    stranger.delete(&path).await.refused(404, &missing);
    member.get("/messages/abc").await.refused(404, "Message abc could not be found.");
    let deleted = member.delete(&path).await;
    assert_eq!((deleted.code(), deleted.text.as_str()), (204, ""));
    member.get(&path).await.refused(404, &missing);
    member.delete(&path).await.refused(404, &missing);
    assert_eq!(ids(stranger, "").await.len(), 1);
}

#[tokio::test]
async fn before_3_3_there_are_none() {
    let world = World::new().await;
    broken_volume(world.member()).await;
    let id = ids(world.member().at("3.3"), "").await.remove(0);
    let old = world.member().at("3.2");
    for path in ["/messages".to_owned(), format!("/messages/{id}")] {
        old.get(&path).await.refused(404, "The resource could not be found.");
    }
    old.delete(&format!("/messages/{id}")).await.refused(404, "The resource could not be found.");
    assert_eq!(ids(world.member().at("3.3"), "").await.len(), 1);
}

#[tokio::test]
async fn from_3_5_on_they_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let member = world.member().at("3.5");
    let volume = broken_volume(world.member()).await;
    let good = world.member().volume(1).await;
    world.member().running_backup(&good).await;
    world.finish_jobs(Ending::Failed).await;
    let all = ids(member, "").await;
    assert_eq!(all.len(), 2);
    let of_volume = ids(member, &format!("?resource_uuid={volume}")).await;
    assert_eq!(of_volume, all[1..], "the newest comes first");
    assert_eq!(ids(member, "?resource_type=VOLUME_BACKUP&message_level=ERROR").await, all[..1]);
    assert_eq!(ids(member, "?event_id=VOLUME_VOLUME_BACKUP_013_020").await, all[..1]);
    assert_eq!(ids(member, "?sort=created_at:asc").await, [all[1].clone(), all[0].clone()]);
    let first: Value = member.get("/messages?limit=1").await.expect(200);
    assert_eq!(first["messages"][0]["id"], json!(all[0]));
    assert!(first["messages_links"][0]["href"].as_str().expect("a link").contains(&format!("marker={}", all[0])));
    assert_eq!(ids(member, &format!("?limit=1&marker={}", all[0])).await, all[1..]);
    member.get("/messages?marker=abc").await.refused(404, "Message abc could not be found.");
    member.get("/messages?sort=bogus").await.refused(400, "Invalid input received: Invalid sort key");
    let strict = world.member().at("3.31");
    strict.get("/messages?bogus=1").await.refused(400, "Invalid filters bogus are found in query options.");
    assert_eq!(ids(world.member().at("3.34"), "?event_id~=BACKUP_013").await, all[..1]);
    // Before, parameters mean nothing.
    assert_eq!(ids(world.member().at("3.4"), "?limit=1&resource_uuid=x&marker=abc").await, all);
}
