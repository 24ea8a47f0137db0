//! Verifications: who may ask for one, what it leaves, and that Cinder's bodies do not show it.

use axum::body::Body;
use db::backups::Place;
use domain::Timestamp;
use domain::backup::BackupStatus;
use domain::job::{Ending, JobKind};
use http::Method;
use serde_json::{Value, json};

use crate::world::{Client, World, keys, text};

fn verify(backup: &str) -> String {
    format!("/emberkeep/backups/{backup}/verify")
}

async fn verification(client: Client<'_>, backup: &str) -> Value {
    client.get(&format!("/emberkeep/backups/{backup}/verification")).await.expect(200)["verification"].clone()
}

/// An available backup with objects.
async fn stored(client: Client<'_>) -> String {
    let volume = client.volume(1).await;
    let backup = client.backup(&volume).await;
    let place = Place {
        container: "c".to_owned(),
        prefix: "p".to_owned(),
        service: "driver".to_owned(),
        availability_zone: "nova".to_owned(),
        host: "h1".to_owned(),
    };
    let mut tx = client.world().database.begin("test: place").await.expect("begin");
    let id = backup.parse().expect("an id");
    db::backups::begin(&mut tx, id, &place, Timestamp::now()).await.expect("begun");
    tx.commit().await.expect("commit");
    backup
}

#[tokio::test]
async fn the_result_is_kept_and_the_backup_stays_as_it_is() {
    let world = World::new().await;
    let member = world.member();
    let backup = stored(member).await;
    let shown = member.get(&format!("/backups/{backup}")).await.expect(200);
    let before = verification(member, &backup).await;
    let nothing = json!({
        "backup_id": backup, "verified_at": null, "result": null, "reason": null, "job": null,
    });
    assert_eq!(before, nothing);

    let job = member.post(&verify(&backup), json!({})).await.expect(202)["job"].clone();
    assert_eq!((&job["kind"], &job["state"]), (&json!("backup_verify"), &json!("queued")));
    let bare = member.request(Method::POST, &verify(&backup)).body(Body::empty()).expect("a request");
    let again = world.send(bare).await.expect(202);
    assert_eq!(again["job"]["id"], job["id"], "one at a time");
    let listed = member.get(&format!("/emberkeep/jobs?resource_id={backup}")).await.expect(200);
    assert_eq!(listed["jobs"], json!([job]));
    assert_eq!(member.backup_status(&backup).await, "available");

    world.finish_jobs(Ending::Succeeded).await;
    let proven = verification(member, &backup).await;
    assert_eq!((&proven["result"], &proven["reason"]), (&json!("proven"), &Value::Null));
    assert_eq!((&proven["job"]["id"], &proven["job"]["state"]), (&job["id"], &json!("succeeded")));

    member.post(&verify(&backup), json!({})).await.expect(202);
    world.finish_jobs(Ending::Cancelled).await;
    let kept = verification(member, &backup).await;
    assert_eq!((&kept["result"], &kept["verified_at"]), (&json!("proven"), &proven["verified_at"]));
    assert_eq!(kept["job"]["state"], "cancelled");

    member.post(&verify(&backup), json!({})).await.expect(202);
    world.finish_jobs(Ending::Failed).await;
    let damaged = verification(member, &backup).await;
    assert_eq!((&damaged["result"], &damaged["reason"]), (&json!("damaged"), &json!("Object o is damaged.")));
    let messages = member.at("3.3").get("/messages").await.expect(200);
    let told: Vec<String> =
        messages["messages"].as_array().expect("a list").iter().map(|m| text(&m["event_id"])).collect();
    assert_eq!(told, ["VOLUME_VOLUME_BACKUP_901_902"]);
    assert_eq!(member.get(&format!("/backups/{backup}")).await.expect(200), shown, "Cinder's view says nothing of it");
    assert_eq!(keys(&shown["backup"]).iter().filter(|key| key.contains("verif")).count(), 0);
}

#[tokio::test]
async fn who_may_not_and_what_cannot_is_told() {
    let world = World::new().await;
    let member = world.member();
    let volume = member.volume(1).await;
    let bare = member.backup(&volume).await;
    member.post(&verify(&bare), json!({})).await.refused(400, "Invalid backup: Backup has no objects in any store.");
    let backup = stored(member).await;
    let gone = format!("Backup {backup} could not be found.");
    let stranger = world.stranger();
    stranger.post(&verify(&backup), json!({})).await.refused(404, &gone);
    stranger.get(&format!("/emberkeep/backups/{backup}/verification")).await.refused(404, &gone);
    assert_eq!(member.post(&verify(&backup), json!({"level": 2})).await.code(), 400);
    member.post(&verify("nonsense"), json!({})).await.refused(404, "Backup nonsense could not be found.");
    for status in [BackupStatus::Creating, BackupStatus::Error, BackupStatus::Deleting, BackupStatus::Restoring] {
        world.set_backup(&backup, status).await;
        let refusal = "Invalid backup: Backup status must be available";
        member.post(&verify(&backup), json!({})).await.refused(400, refusal);
        verification(member, &backup).await;
    }
    world.set_backup(&backup, BackupStatus::Deleted).await;
    member.get(&format!("/emberkeep/backups/{backup}/verification")).await.refused(404, &gone);
    world.set_backup(&backup, BackupStatus::Available).await;
    assert!(world.jobs().await.is_empty());
}

#[tokio::test]
async fn what_takes_the_backup_away_stops_its_verification() {
    let world = World::new().await;
    let (member, admin) = (world.member(), world.admin());
    let backup = stored(member).await;
    member.post(&verify(&backup), json!({})).await.expect(202);
    let reset = json!({"os-reset_status": {"status": "available"}});
    admin.post(&format!("/backups/{backup}/action"), reset).await.expect(202);
    let jobs = world.jobs().await;
    assert!(jobs.len() == 1 && jobs[0].cancel_requested, "{jobs:?}");
    let fresh = member.post(&verify(&backup), json!({})).await.expect(202)["job"]["id"].clone();
    assert_ne!(fresh, jobs[0].id.to_string(), "the one that stops is no answer");

    member.delete(&format!("/backups/{backup}")).await.expect(202);
    let kinds: Vec<JobKind> = world.jobs().await.iter().map(|job| job.kind).collect();
    assert_eq!(kinds, [JobKind::BackupVerify, JobKind::BackupVerify, JobKind::BackupDelete]);
}

#[tokio::test]
async fn a_restore_under_way_is_seen_beside_it() {
    let world = World::new().await;
    let member = world.member();
    let backup = stored(member).await;
    member.post(&verify(&backup), json!({})).await.expect(202);
    let answer = member.post(&format!("/backups/{backup}/restore"), json!({"restore": {}})).await;
    answer.expect(202);
    let listed = member.get(&format!("/emberkeep/jobs?resource_id={backup}")).await.expect(200);
    let kinds: Vec<String> = listed["jobs"].as_array().expect("a list").iter().map(|job| text(&job["kind"])).collect();
    assert_eq!(kinds, ["backup_verify", "backup_restore"]);
    let of_stranger = world.stranger().get(&format!("/emberkeep/jobs?resource_id={backup}")).await.expect(200);
    assert_eq!(of_stranger, json!({"jobs": []}));
}
