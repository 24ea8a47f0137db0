//! Volumes that go back to a snapshot, grow in use, and keep what they know of images.

use domain::job::{Ending, Subject};
use domain::snapshot::SnapshotStatus;
use domain::volume::VolumeStatus;
use serde_json::{Value, json};

use crate::world::{Client, World, text};

const NOBODY: &str = "11111111-1111-4111-8111-111111111111";

fn revert(snapshot: &str) -> Value {
    json!({"revert": {"snapshot_id": snapshot}})
}

async fn snapshot_status(client: &Client<'_>, id: &str) -> String {
    text(&client.get(&format!("/snapshots/{id}")).await.expect(200)["snapshot"]["status"])
}

#[tokio::test]
async fn a_volume_goes_back_to_its_latest_snapshot() {
    let world = World::new().await;
    let member = world.member().at("3.40");
    let volume = member.volume(1).await;
    let action = format!("/volumes/{volume}/action");
    let message = format!("Volume {volume} doesn't have any snapshots.");
    member.post(&action, revert(NOBODY)).await.refused(400, &message);
    let older = member.snapshot(&volume).await;
    let latest = member.snapshot(&volume).await;
    for (body, named) in [(revert(&older), older.as_str()), (json!({"revert": {}}), "None")] {
        let message = format!("Specified snapshot {named} is None or not the latest one of volume {volume}.");
        member.post(&action, body).await.refused(400, &message);
    }
    member.at("3.39").post(&action, revert(&latest)).await.expect(404);
    world.stranger().at("3.40").post(&action, revert(&latest)).await.expect(404);

    let message = |noun: &str, whose: &str| {
        format!(
            "Invalid {noun}: Can't revert volume {volume} to its latest snapshot {latest}. {whose}'s status must be 'available'."
        )
    };
    world.set_volume(&volume, VolumeStatus::InUse).await;
    member.post(&action, revert(&latest)).await.refused(409, &message("volume", "Volume"));
    world.set_volume(&volume, VolumeStatus::Available).await;
    world.set_snapshot(&latest, SnapshotStatus::BackingUp).await;
    let before = world.rows().await;
    member.post(&action, revert(&latest)).await.refused(409, &message("snapshot", "Snapshot"));
    assert_eq!(world.rows().await, before, "the volume stays as it is");
    world.set_snapshot(&latest, SnapshotStatus::Available).await;

    member.post(&action, revert(&latest)).await.expect(202);
    assert!(matches!(world.jobs().await[0].subject, Subject::VolumeRevert { .. }));
    assert_eq!(member.volume_status(&volume).await, "reverting");
    assert_eq!(snapshot_status(&member, &latest).await, "restoring");
    assert_eq!(member.delete(&format!("/snapshots/{latest}")).await.code(), 400);
    assert_eq!(member.delete(&format!("/volumes/{volume}")).await.code(), 400);
    world.finish_jobs(Ending::Succeeded).await;
    assert_eq!(member.volume_status(&volume).await, "available");
    assert_eq!(snapshot_status(&member, &latest).await, "available");

    member.post(&action, json!({"os-extend": {"new_size": 2}})).await.expect(202);
    world.finish_jobs(Ending::Succeeded).await;
    let message = format!(
        "Can't revert volume {volume} to its latest snapshot {latest}. The volume size must be equal to the snapshot size."
    );
    member.post(&action, revert(&latest)).await.refused(400, &message);
}

#[tokio::test]
async fn what_is_kept_of_an_image_is_shown_found_and_handed_on() {
    let world = World::new().await;
    let member = world.member().at("3.4");
    let (volume, other) = (member.volume(1).await, member.volume(1).await);
    let action = format!("/volumes/{volume}/action");
    let set = |pairs: Value| json!({"os-set_image_metadata": {"metadata": pairs}});
    let first = member.post(&action, set(json!({"a": "1"}))).await.expect(200);
    assert_eq!(first, json!({"metadata": {"a": "1"}}));
    let both = json!({"metadata": {"a": "2", "b": "3"}});
    assert_eq!(member.post(&action, set(json!({"a": "2", "b": "3"}))).await.expect(200), both);
    assert_eq!(member.post(&action, json!({"os-show_image_metadata": null})).await.expect(200), both);
    let shown = member.get(&format!("/volumes/{volume}")).await.expect(200)["volume"].clone();
    assert_eq!((&shown["volume_image_metadata"], &shown["metadata"]), (&both["metadata"], &json!({})));
    assert!(
        member.get(&format!("/volumes/{other}")).await.expect(200)["volume"].get("volume_image_metadata").is_none()
    );

    let snapshot = member.snapshot(&volume).await;
    for source in [json!({"source_volid": volume}), json!({"snapshot_id": snapshot})] {
        let made = member.post("/volumes", json!({"volume": source})).await.expect(202);
        let id = text(&made["volume"]["id"]);
        let shown = member.get(&format!("/volumes/{id}")).await.expect(200);
        assert_eq!(shown["volume"]["volume_image_metadata"], both["metadata"]);
    }
    let unset = json!({"os-unset_image_metadata": {"key": "a"}});
    member.post(&action, unset.clone()).await.expect(200);
    let message = format!("Glance metadata for volume/snapshot {volume} cannot be found.");
    member.post(&action, unset).await.refused(404, &message);
    for (pairs, expected) in [("%7B%27b%27:%20%273%27%7D", 3), ("%7B%27a%27:%20%272%27%7D", 2), ("x", 0)] {
        for client in [member, world.admin().at("3.4")] {
            let list = client.get(&format!("/volumes?glance_metadata={pairs}")).await.expect(200);
            assert_eq!(list["volumes"].as_array().expect("a list").len(), expected, "{pairs}");
        }
    }
    let message = "Invalid filters glance_metadata are found in query options.";
    member.at("3.31").get("/volumes?glance_metadata=x").await.refused(400, message);
    for body in [json!({}), json!({"metadata": {"a": 1}}), json!({"metadata": null}), json!({"bogus": {}})] {
        assert_eq!(member.post(&action, json!({"os-set_image_metadata": body})).await.code(), 400);
    }
    world.stranger().post(&action, set(json!({"a": "1"}))).await.expect(404);
}

#[tokio::test]
async fn what_needs_an_image_service_or_compute_is_refused() {
    let world = World::new().await;
    let admin = world.admin().at("3.71");
    let volume = world.member().volume(1).await;
    let action = format!("/volumes/{volume}/action");
    let upload = json!({"os-volume_upload_image": {"image_name": "i", "disk_format": "raw", "visibility": "private"}});
    let before = world.rows().await;
    let message = "Connection to glance failed: there is no image service.";
    admin.post(&action, upload.clone()).await.refused(400, message);
    assert_eq!(world.member().post(&action, upload.clone()).await.code(), 400, "3.0 knows no visibility");
    let public = json!({"os-volume_upload_image": {"image_name": "i", "visibility": "public"}});
    let rule = "Policy doesn't allow volume_extension:volume_actions:upload_public to be performed.";
    world.member().at("3.1").post(&action, public).await.refused(403, rule);
    let reimage = json!({"os-reimage": {"image_id": NOBODY}});
    admin.post(&action, reimage.clone()).await.refused(404, &format!("Image {NOBODY} could not be found."));
    admin.at("3.67").post(&action, reimage).await.expect(404);
    let complete = json!({"os-extend_volume_completion": {"error": false}});
    admin.post(&action, complete.clone()).await.refused(400, "Invalid volume: Volume is not being extended.");
    admin.at("3.70").post(&action, complete.clone()).await.expect(404);
    assert_eq!(world.member().at("3.71").post(&action, complete.clone()).await.code(), 403);
    assert_eq!(world.rows().await, before);
    world.set_volume(&volume, VolumeStatus::Extending).await;
    let message = "Invalid volume: Required volume admin metadata is malformed or missing.";
    admin.post(&action, complete).await.refused(400, message);
    let message = format!("Invalid volume: Volume {volume} status must be available");
    admin.post(&action, upload).await.refused(400, &message);
}

#[tokio::test]
async fn volumes_are_counted_by_project() {
    let world = World::new().await;
    let member = world.member().at("3.36");
    for (size, key) in [(1, "a"), (2, "a"), (3, "b")] {
        let body = json!({"volume": {"size": size, "metadata": {"k": key}}});
        member.post("/volumes", body).await.expect(202);
    }
    world.stranger().volume(5).await;
    let mine = member.get("/volumes/summary").await.expect(200)["volume-summary"].clone();
    assert_eq!(mine, json!({"total_count": 3, "total_size": 6, "metadata": {"k": ["a", "b"]}}));
    let all = world.admin().at("3.12").get("/volumes/summary?all_tenants=1").await.expect(200);
    assert_eq!(all["volume-summary"], json!({"total_count": 4, "total_size": 11}));
    member.at("3.11").get("/volumes/summary").await.expect(404);
}
