//! What administrators see of the workers, what they may allow them, and what became of messages that nobody could handle.

use db::dead_letters::DeadLetter;
use domain::Timestamp;
use domain::ids::WorkerId;
use domain::placement::{Backend, PoolReport};
use serde_json::{Value, json};

use crate::world::World;

async fn put_worker(world: &World) -> WorkerId {
    let worker = db::workers::Worker {
        id: WorkerId::random(),
        host: "storage-1".to_owned(),
        availability_zone: "nova".to_owned(),
        backup_driver: "driver".to_owned(),
        slots: 4,
        pools: vec![PoolReport { name: "p".to_owned(), backend: Backend::of_pool("p"), free_bytes: 1, total_bytes: 2 }],
        draining: false,
        heartbeat_at: Timestamp::now(),
    };
    let mut tx = world.database.begin("test: worker").await.expect("begin");
    db::workers::register(&mut tx, &worker).await.expect("registered");
    db::services::report(&mut tx, &worker.host, "cinder-backup", "nova", Timestamp::now()).await.expect("reported");
    tx.commit().await.expect("commit");
    worker.id
}

#[tokio::test]
async fn limits_are_set_and_taken_back_while_workers_run() {
    let world = World::new().await;
    let admin = world.admin();
    let id = put_worker(&world).await;
    let shown = async || admin.get("/emberkeep/workers").await.expect(200)["workers"].clone();
    let before = shown().await;
    let mine = before.as_array().expect("a list").iter().find(|worker| worker["id"] == id.to_string());
    let expected = json!({
        "id": id.to_string(), "host": "storage-1", "availability_zone": "nova", "backup_driver": "driver",
        "slots": 4, "busy": 0, "draining": false, "backups_disabled": false,
        "pools": [{"name": "p", "free_bytes": 1, "total_bytes": 2}],
        "limits": {"slots": null, "bytes_per_second": null},
    });
    assert_eq!(mine, Some(&expected));

    let limits = "/emberkeep/workers/storage-1/limits";
    let set = async |body: Value| admin.put(limits, json!({ "limits": body })).await;
    let answer = set(json!({"slots": 9, "bytes_per_second": 1_000_000})).await.expect(200);
    assert_eq!(answer, json!({"limits": {"slots": 9, "bytes_per_second": 1_000_000}}));
    let after = shown().await;
    let mine = after.as_array().expect("a list").iter().find(|worker| worker["id"] == id.to_string()).expect("there");
    assert_eq!((&mine["slots"], &mine["limits"]["bytes_per_second"]), (&json!(9), &json!(1_000_000)));
    for nonsense in [json!({"slots": 0}), json!({"slots": 5000}), json!({"bytes_per_second": -1}), json!({"x": 1})] {
        set(nonsense).await.expect(400);
    }
    assert_eq!(set(json!({})).await.expect(200), json!({"limits": {"slots": null, "bytes_per_second": null}}));
    let nobody = "/emberkeep/workers/storage-9/limits";
    let missing = admin.put(nobody, json!({"limits": {}})).await;
    missing.refused(404, "Host storage-9 could not be found.");
    let member = world.member();
    member.get("/emberkeep/workers").await.expect(403);
    member.put(limits, json!({"limits": {}})).await.expect(403);
}

#[tokio::test]
async fn dead_letters_are_seen_sent_again_and_forgotten() {
    let world = World::new().await;
    let admin = world.admin();
    let mut tx = world.database.begin("test: letters").await.expect("begin");
    for number in 1..=3 {
        let created_at = Timestamp::from_micros(number);
        let letter = DeadLetter { id: format!("m{number}"), body: format!("body {number}"), created_at };
        db::dead_letters::insert(&mut tx, &letter).await.expect("kept");
        db::dead_letters::insert(&mut tx, &letter).await.expect("once");
    }
    tx.commit().await.expect("commit");
    let listed = admin.get("/emberkeep/dead-letters").await.expect(200);
    let ids: Vec<&Value> = listed["dead_letters"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!((ids, &listed["count"]), (vec![&json!("m3"), &json!("m2"), &json!("m1")], &json!(3)));

    admin.post("/emberkeep/dead-letters/m2/replay", json!({})).await.expect(202);
    admin.post("/emberkeep/dead-letters/m2/replay", json!({})).await.expect(404);
    admin.delete("/emberkeep/dead-letters/m1").await.expect(204);
    admin.delete("/emberkeep/dead-letters/m1").await.expect(404);
    assert_eq!(admin.get("/emberkeep/dead-letters").await.expect(200)["count"], 1);
    let member = world.member();
    member.get("/emberkeep/dead-letters").await.expect(403);
    member.post("/emberkeep/dead-letters/m3/replay", json!({})).await.expect(403);
}

#[tokio::test]
async fn a_service_that_is_gone_for_good_is_forgotten() {
    let world = World::new().await;
    let admin = world.admin();
    put_worker(&world).await;
    let path = "/emberkeep/services/storage-1/cinder-backup";
    world.member().delete(path).await.expect(403);
    admin
        .delete(path)
        .await
        .refused(409, "Service cinder-backup on host storage-1 is up: stop it, and wait until it is shown as down.");
    let mut tx = world.database.begin("test: silence").await.expect("begin");
    let long_ago = Timestamp::from_micros(1);
    db::services::report(&mut tx, "storage-1", "cinder-backup", "nova", long_ago).await.expect("reported");
    tx.commit().await.expect("commit");
    admin.delete(path).await.expect(204);
    let left = admin.get("/os-services?host=storage-1").await.expect(200);
    assert_eq!(left, json!({"services": []}));
    admin.delete(path).await.refused(404, "Service cinder-backup could not be found on host storage-1.");
}
