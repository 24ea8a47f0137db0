//! Cancellations: which jobs may be ended before their time, and by whom.

use axum::body::Body;
use domain::job::Ending;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Client, World, text};

/// The only unfinished job about the resource.
async fn job_about(client: Client<'_>, resource: &str) -> Value {
    let listed = client.get(&format!("/emberkeep/jobs?resource_id={resource}")).await.expect(200);
    listed["jobs"][0].clone()
}

/// A volume, a backup of it that was asked for, and its job.
async fn backup_under_way(client: Client<'_>) -> (String, String, Value) {
    let volume = client.volume(1).await;
    let body = json!({"backup": {"volume_id": volume}});
    let backup = text(&client.post("/backups", body).await.expect(202)["backup"]["id"]);
    let job = job_about(client, &backup).await;
    (volume, backup, job)
}

fn cancel(job: &Value) -> String {
    format!("/emberkeep/jobs/{}/cancel", text(&job["id"]))
}

#[tokio::test]
async fn a_backup_is_cancelled_once_or_twice() {
    let world = World::new().await;
    let member = world.member();
    let (volume, backup, job) = backup_under_way(member).await;
    assert_eq!((&job["backup_id"], &job["volume_id"]), (&json!(backup), &json!(volume)));
    assert_eq!(job["cancel_requested"], false);
    let shown = member.get(&format!("/emberkeep/jobs/{}", text(&job["id"]))).await.expect(200);
    assert_eq!(shown["job"], job);

    let cancelled = member.post(&cancel(&job), json!({})).await.expect(202);
    assert_eq!((&cancelled["job"]["id"], &cancelled["job"]["cancel_requested"]), (&job["id"], &json!(true)));
    let bare = member.request(Method::POST, &cancel(&job)).body(Body::empty()).expect("a request");
    world.send(bare).await.expect(202);

    world.finish_jobs(Ending::Cancelled).await;
    assert_eq!(member.backup_status(&backup).await, "error");
    let ended = member.get(&format!("/emberkeep/jobs/{}", text(&job["id"]))).await.expect(200);
    assert_eq!(ended["job"]["state"], "cancelled");
    let gone = format!("Job {} has ended: it is cancelled.", text(&job["id"]));
    member.post(&cancel(&job), json!({})).await.refused(400, &gone);
}

#[tokio::test]
async fn what_is_carried_through_is_not_cancelled() {
    let world = World::new().await;
    let member = world.member();
    let body = json!({"volume": {"size": 1}});
    let volume = text(&member.post("/volumes", body).await.expect(202)["volume"]["id"]);
    let job = job_about(member, &volume).await;
    let refusal = "A job of kind volume_create cannot be cancelled.";
    member.post(&cancel(&job), json!({})).await.refused(400, refusal);
    member.post(&cancel(&job), json!({"why": "so"})).await.expect(400);
    assert_eq!(job_about(member, &volume).await["cancel_requested"], false);
}

#[tokio::test]
async fn others_jobs_cannot_be_seen_or_cancelled() {
    let world = World::new().await;
    let member = world.member();
    let (_, backup, job) = backup_under_way(member).await;
    let id = text(&job["id"]);
    let missing = format!("Job {id} could not be found.");
    let stranger = world.stranger();
    stranger.get(&format!("/emberkeep/jobs/{id}")).await.refused(404, &missing);
    stranger.post(&cancel(&job), json!({})).await.refused(404, &missing);
    for nonsense in ["x", "%00", "00000000-0000-0000-0000-000000000000"] {
        member.get(&format!("/emberkeep/jobs/{nonsense}")).await.expect(404);
        member.post(&format!("/emberkeep/jobs/{nonsense}/cancel"), json!({})).await.expect(404);
    }
    assert_eq!(job_about(member, &backup).await["cancel_requested"], false);
}
