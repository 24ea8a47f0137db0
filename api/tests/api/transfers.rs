//! Transfers of volumes from project to project.

use db::quotas;
use domain::quota::Resource;
use domain::snapshot::SnapshotStatus;
use serde_json::{Value, json};

use crate::world::{Client, OURS, THEIRS, World, keys, text};

const PATHS: [&str; 2] = ["/os-volume-transfer", "/volume-transfers"];

/// Id and key.
async fn offer(client: Client<'_>, volume: &str) -> (String, String) {
    let body = json!({"transfer": {"volume_id": volume, "name": "gift"}});
    let made = client.post("/volume-transfers", body).await.expect(202)["transfer"].clone();
    (text(&made["id"]), text(&made["auth_key"]))
}

fn acceptance(key: &str) -> Value {
    json!({"accept": {"auth_key": key}})
}

/// Volumes, gigabytes and snapshots.
async fn usage(world: &World, project: &str) -> [i64; 3] {
    let mut conn = world.database.read().await.expect("a connection");
    let usage = quotas::usage(&mut conn, project).await.expect("usage");
    [Resource::Volumes, Resource::Gigabytes, Resource::Snapshots].map(|resource| usage.plain(resource))
}

#[tokio::test]
async fn a_volume_changes_hands_with_its_snapshots_and_what_they_cost() {
    let world = World::new().await;
    let (member, stranger) = (world.member(), world.stranger());
    for path in PATHS {
        let volume = member.volume(2).await;
        let snapshot = member.snapshot(&volume).await;
        let (ours, theirs) = (usage(&world, OURS).await, usage(&world, THEIRS).await);
        let body = json!({"transfer": {"volume_id": volume, "name": " gift "}});
        let made = member.post(path, body).await.expect(202)["transfer"].clone();
        assert_eq!(keys(&made), ["auth_key", "created_at", "id", "links", "name", "volume_id"]);
        assert_eq!(made["name"], "gift");
        assert!(made["links"][0]["href"].as_str().expect("a link").contains("/os-volume-transfer/"));
        assert_eq!(member.volume_status(&volume).await, "awaiting-transfer");
        let id = text(&made["id"]);
        let shown = member.get(&format!("{path}/{id}")).await.expect(200)["transfer"].clone();
        assert_eq!(keys(&shown), ["created_at", "id", "links", "name", "volume_id"]);

        let accept = format!("{path}/{id}/accept");
        let accepted = stranger.post(&accept, acceptance(&text(&made["auth_key"]))).await.expect(202);
        assert_eq!(keys(&accepted["transfer"]), ["id", "links", "name", "volume_id"]);
        member.get(&format!("/volumes/{volume}")).await.refused(404, &format!("Volume {volume} could not be found."));
        let view = stranger.get(&format!("/volumes/{volume}")).await.expect(200)["volume"].clone();
        assert_eq!((&view["status"], &view["user_id"]), (&json!("available"), &json!("mallory")));
        assert_eq!(view["os-vol-tenant-attr:tenant_id"], json!(THEIRS));
        let view = stranger.at("3.41").get(&format!("/snapshots/{snapshot}")).await.expect(200)["snapshot"].clone();
        assert_eq!(view["user_id"], "mallory");
        assert_eq!(usage(&world, OURS).await, [ours[0] - 1, ours[1] - 4, ours[2] - 1]);
        assert_eq!(usage(&world, THEIRS).await, [theirs[0] + 1, theirs[1] + 4, theirs[2] + 1]);
        let missing = format!("Transfer {id} could not be found.");
        stranger.post(&accept, acceptance(&text(&made["auth_key"]))).await.refused(404, &missing);
        member.get(&format!("{path}/{id}")).await.refused(404, &missing);
    }
}

#[tokio::test]
async fn only_the_key_opens_and_the_database_does_not_hold_it() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let (id, key) = offer(world.member(), &volume).await;
    assert_eq!(key.len(), 16);
    let mut conn = world.database.read().await.expect("a connection");
    let row = db::transfers::get(&mut conn, &db::Scope::All, &id).await.expect("a transfer");
    drop(conn);
    assert!(!format!("{row:?}").contains(&key));
    let accept = format!("/volume-transfers/{id}/accept");
    let before = world.rows().await;
    let message = format!("Invalid auth key: Attempt to transfer {id} with invalid auth key.");
    for wrong in ["", "0123456789abcdef", &row.key_hash, &format!("{key}0"), &key[1..]] {
        world.stranger().post(&accept, acceptance(wrong)).await.refused(400, &message);
    }
    world.stranger().post(&accept, json!({"accept": {"auth_key": 1_234_567}})).await.refused(400, &message);
    for bad in
        [json!({}), json!({"accept": {}}), json!({"accept": {"auth_key": null}}), json!({"accept": {"auth_key": []}})]
    {
        assert_eq!(world.stranger().post(&accept, bad.clone()).await.code(), 400, "{bad}");
    }
    assert_eq!(world.rows().await, before);
    // The owner may accept it too: nothing changes but that the offer is over.
    let held = usage(&world, OURS).await;
    world.member().post(&accept, acceptance(&key)).await.expect(202);
    assert_eq!(world.member().volume_status(&volume).await, "available");
    assert_eq!(usage(&world, OURS).await, held);
}

#[tokio::test]
async fn who_has_no_room_cannot_accept() {
    let world = World::new().await;
    let volume = world.member().volume(3).await;
    let (id, key) = offer(world.member(), &volume).await;
    let mut tx = world.database.begin("test: limit").await.expect("begin");
    quotas::set_limit(&mut tx, THEIRS, &Resource::Gigabytes.into(), 2).await.expect("limit");
    tx.commit().await.expect("commit");
    let before = world.rows().await;
    let message = "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 2G and 0G has been \
                   consumed.";
    let accept = format!("/volume-transfers/{id}/accept");
    world.stranger().post(&accept, acceptance(&key)).await.refused(413, message);
    assert_eq!(world.rows().await, before);
    assert_eq!(usage(&world, THEIRS).await, [0, 0, 0]);
    assert_eq!(world.member().volume_status(&volume).await, "awaiting-transfer");
}

#[tokio::test]
async fn an_offer_is_taken_back_by_its_project_alone() {
    let world = World::new().await;
    let (member, stranger) = (world.member(), world.stranger());
    let volume = member.volume(1).await;
    let (id, key) = offer(member, &volume).await;
    let path = format!("/volume-transfers/{id}");
    let missing = format!("Transfer {id} could not be found.");
    stranger.get(&path).await.refused(404, &missing);
    stranger.delete(&path).await.refused(404, &missing);
    assert_eq!(stranger.get("/volume-transfers/detail").await.expect(200), json!({"transfers": []}));
    let body = json!({"transfer": {"volume_id": volume}});
    let foreign = format!("Volume {volume} could not be found.");
    stranger.post("/volume-transfers", body.clone()).await.refused(404, &foreign);
    member.post("/volume-transfers", body).await.refused(400, "Invalid volume: status must be available");
    let deleted = member.delete(&path).await;
    assert_eq!((deleted.code(), deleted.text.as_str()), (202, ""));
    assert_eq!(member.volume_status(&volume).await, "available");
    stranger.post(&format!("{path}/accept"), acceptance(&key)).await.refused(404, &missing);
    member.get("/volume-transfers/abc").await.refused(404, "Transfer abc could not be found.");
}

#[tokio::test]
async fn an_old_offer_does_not_open_a_new_one() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let (old, old_key) = offer(world.member(), &volume).await;
    let reset = json!({"os-reset_status": {"status": "available"}});
    world.admin().post(&format!("/volumes/{volume}/action"), reset).await.expect(202);
    let stale = format!("Invalid volume: Transfer {old}: Volume id {volume} expected in awaiting-transfer state.");
    let accept = format!("/volume-transfers/{old}/accept");
    world.stranger().post(&accept, acceptance(&old_key)).await.refused(400, &stale);
    let (_, _) = offer(world.member(), &volume).await;
    let missing = format!("Transfer {old} could not be found.");
    world.stranger().post(&accept, acceptance(&old_key)).await.refused(404, &missing);
}

#[tokio::test]
async fn snapshots_stay_where_that_was_said() {
    let world = World::new().await;
    let (member, stranger) = (world.member().at("3.57"), world.stranger().at("3.57"));
    let volume = member.volume(1).await;
    let snapshot = member.snapshot(&volume).await;
    let body = json!({"transfer": {"volume_id": volume, "no_snapshots": true}});
    world.member().at("3.54").post("/volume-transfers", body.clone()).await.expect(400);
    let made = member.post("/volume-transfers", body).await.expect(202)["transfer"].clone();
    let expected = [
        "accepted",
        "auth_key",
        "created_at",
        "destination_project_id",
        "id",
        "links",
        "name",
        "no_snapshots",
        "source_project_id",
        "volume_id",
    ];
    assert_eq!(keys(&made), expected);
    assert_eq!((&made["no_snapshots"], &made["accepted"]), (&json!(true), &json!(false)));
    assert_eq!((&made["source_project_id"], &made["destination_project_id"]), (&json!(OURS), &Value::Null));
    let accept = format!("/volume-transfers/{}/accept", text(&made["id"]));
    stranger.post(&accept, acceptance(&text(&made["auth_key"]))).await.expect(202);
    assert_eq!(member.get(&format!("/snapshots/{snapshot}")).await.code(), 200);
    assert_eq!(stranger.get(&format!("/snapshots/{snapshot}")).await.code(), 404);
    assert_eq!((usage(&world, OURS).await, usage(&world, THEIRS).await), ([0, 1, 1], [1, 1, 0]));
    // Others' snapshots do not go with a volume, whatever its new owner says.
    let before = world.rows().await;
    assert_eq!(stranger.delete(&format!("/volumes/{volume}")).await.code(), 400);
    assert_eq!(stranger.delete(&format!("/volumes/{volume}?cascade=True")).await.code(), 400);
    assert_eq!(world.rows().await, before);
    member.delete(&format!("/snapshots/{snapshot}")).await.expect(202);
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    stranger.delete(&format!("/volumes/{volume}")).await.expect(202);
}

#[tokio::test]
async fn snapshots_that_are_busy_hold_the_volume() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let snapshot = world.member().snapshot(&volume).await;
    world.set_snapshot(&snapshot, SnapshotStatus::BackingUp).await;
    let body = json!({"transfer": {"volume_id": volume}});
    let message = format!("Invalid snapshot: snapshot: {snapshot} status must be available");
    world.member().post("/volume-transfers", body).await.refused(400, &message);
    world.set_snapshot(&snapshot, SnapshotStatus::Available).await;
    let (id, key) = offer(world.member(), &volume).await;
    world.set_snapshot(&snapshot, SnapshotStatus::Deleting).await;
    let before = world.rows().await;
    let message =
        format!("Invalid snapshot: Transfer {id}: Snapshot {snapshot} is not in the expected available state.");
    world.stranger().post(&format!("/volume-transfers/{id}/accept"), acceptance(&key)).await.refused(400, &message);
    assert_eq!(world.rows().await, before);
    assert_eq!(usage(&world, THEIRS).await, [0, 0, 0]);
}

#[tokio::test]
async fn lists_are_sorted_and_paged_from_3_59_on() {
    let world = World::new().await;
    let member = world.member();
    let (one, two) = (member.volume(1).await, member.volume(1).await);
    let ((first, _), (second, _)) = (offer(member, &one).await, offer(member, &two).await);
    let ids = async |client: Client<'_>, query: &str| {
        let listed = client.get(&format!("/volume-transfers{query}")).await.expect(200);
        listed["transfers"].as_array().expect("a list").iter().map(|item| text(&item["id"])).collect::<Vec<_>>()
    };
    assert_eq!(ids(member, "").await, [first.clone(), second.clone()], "the oldest first");
    assert_eq!(ids(member, "/detail?all_tenants=0").await.len(), 2);
    let newer = member.at("3.59");
    assert_eq!(ids(newer, "").await, [second.clone(), first.clone()]);
    assert_eq!(ids(newer, "?sort=created_at:asc").await, [first.clone(), second.clone()]);
    assert_eq!(ids(newer, "?name=gift&limit=1").await, std::slice::from_ref(&second));
    assert_eq!(ids(newer, &format!("?limit=1&marker={second}")).await, std::slice::from_ref(&first));
    assert_eq!(ids(newer, &format!("?volume_id={one}")).await, std::slice::from_ref(&first));
    let page = newer.get("/volume-transfers?limit=1").await.expect(200);
    assert!(page["transfers_links"][0]["href"].as_str().is_some_and(|href| href.contains(&format!("marker={second}"))));
    newer.get("/volume-transfers?marker=abc").await.refused(404, "Transfer abc could not be found.");
    assert!(ids(world.stranger(), "").await.is_empty());
    assert_eq!(ids(world.admin(), "/detail?all_tenants=1").await.len(), 2);
}

#[tokio::test]
async fn bodies_that_cannot_be_meant_change_nothing() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let before = world.rows().await;
    let bad = [
        json!({}),
        json!({"transfer": null}),
        json!({"transfer": {}}),
        json!({"transfer": {"volume_id": "x"}}),
        json!({"transfer": {"volume_id": volume, "name": " "}}),
        json!({"transfer": {"volume_id": volume, "name": "n".repeat(256)}}),
        json!({"transfer": {"volume_id": volume, "bogus": 1}}),
    ];
    for body in bad {
        assert_eq!(world.member().post("/os-volume-transfer", body.clone()).await.code(), 400, "{body}");
    }
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn of_many_acceptances_one_counts() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let (id, key) = offer(world.member(), &volume).await;
    let accept = format!("/volume-transfers/{id}/accept");
    let stranger = world.stranger();
    let replies = futures::future::join_all((0..6).map(|_| stranger.post(&accept, acceptance(&key)))).await;
    assert_eq!(replies.iter().filter(|reply| reply.code() == 202).count(), 1);
    assert_eq!((usage(&world, OURS).await, usage(&world, THEIRS).await), ([0, 0, 0], [1, 1, 0]));
}
