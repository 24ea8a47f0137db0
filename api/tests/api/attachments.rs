//! Attaching volumes: the attachments of 3.27 and later, and the older actions on the same rows (contract §1.6.5, §1.8).

use domain::volume::VolumeStatus;
use serde_json::{Value, json};

use crate::world::{Client, HOST, POOL, World, keys, text};

const SERVER: &str = "11111111-2222-4333-8444-555555555555";
const OTHER_SERVER: &str = "22222222-2222-4333-8444-555555555555";
const DETAIL: [&str; 8] =
    ["attach_mode", "attached_at", "connection_info", "detached_at", "id", "instance", "status", "volume_id"];

async fn reserve(client: Client<'_>, volume: &str, server: &str) -> String {
    let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}});
    text(&client.post("/attachments", body).await.expect(200)["attachment"]["id"])
}

async fn connect(client: Client<'_>, id: &str, host: &str) -> Value {
    let body = json!({"attachment": {"connector": {"host": host, "mountpoint": "/dev/vdb"}}});
    client.put(&format!("/attachments/{id}"), body).await.expect(200)["attachment"].clone()
}

async fn complete(client: Client<'_>, id: &str) {
    let done = client.post(&format!("/attachments/{id}/action"), json!({"os-complete": {}})).await;
    assert_eq!((done.code(), done.text.as_str()), (204, ""));
}

/// Status and attach status.
async fn statuses(world: &World, volume: &str) -> (String, String) {
    let mut conn = world.database.read().await.expect("a connection");
    let row = db::volumes::get(&mut conn, &db::Scope::All, volume).await.expect("a volume");
    (row.status.to_string(), row.attach_status.to_string())
}

async fn share(world: &World, volume: &str) {
    let mut tx = world.database.begin("test: share").await.expect("begin");
    let text = "UPDATE volumes SET multiattach = TRUE WHERE id = $1";
    db::sql(text).bind(volume).execute(&mut tx).await.expect("shared");
    tx.commit().await.expect("commit");
}

fn pair(status: &str, attach_status: &str) -> (String, String) {
    (status.to_owned(), attach_status.to_owned())
}

#[tokio::test]
async fn the_way_of_an_attachment() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    let path = format!("/attachments/{id}");
    let view = member.get(&path).await.expect(200)["attachment"].clone();
    assert_eq!(keys(&view), DETAIL);
    assert_eq!((&view["status"], &view["attach_mode"]), (&json!("reserved"), &json!("null")));
    assert_eq!((&view["attached_at"], &view["detached_at"]), (&json!(""), &json!("")));
    assert_eq!((&view["instance"], &view["connection_info"]), (&json!(SERVER), &json!({})));
    assert_eq!(statuses(&world, &volume).await, pair("reserved", "detached"));

    let view = connect(member, &id, "h1").await;
    assert_eq!((&view["status"], &view["attach_mode"]), (&json!("attaching"), &json!("rw")));
    let info = &view["connection_info"];
    assert_eq!((&info["driver_volume_type"], &info["attachment_id"]), (&json!("local"), &json!(id)));
    assert_eq!((&info["pool"], &info["access_mode"]), (&json!(POOL), &json!("rw")));
    assert!(info["host"].as_str().is_some_and(|host| host.starts_with(HOST)), "{info}");
    assert_eq!(info["name"], json!(format!("volume-{volume}")));
    assert_eq!(statuses(&world, &volume).await, pair("attaching", "attaching"));
    assert_eq!(member.get(&format!("/volumes/{volume}")).await.expect(200)["volume"]["attachments"], json!([]));

    complete(member, &id).await;
    assert_eq!(statuses(&world, &volume).await, pair("in-use", "attached"));
    let shown = member.get(&format!("/volumes/{volume}")).await.expect(200)["volume"]["attachments"][0].clone();
    assert_eq!((&shown["attachment_id"], &shown["device"]), (&json!(id), &json!("/dev/vdb")));
    assert_eq!((&shown["server_id"], &shown["host_name"]), (&json!(SERVER), &Value::Null));

    assert_eq!(member.delete(&path).await.expect(200), json!({"attachments": []}));
    assert_eq!(statuses(&world, &volume).await, pair("available", "detached"));
    let missing = format!("Volume attachment could not be found with filter: attachment_id = {id}.");
    member.get(&path).await.refused(404, &missing);
    member.delete(&path).await.refused(404, &missing);
}

#[tokio::test]
async fn with_a_connector_it_is_attaching_at_once_and_a_named_mode_wins() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let connector = json!({"host": "h1", "mode": "rw", "ip": "192.0.2.1", "multipath": false});
    let body = json!({"attachment": {"volume_uuid": volume, "connector": connector, "mode": "ro"}});
    let view = member.post("/attachments", body).await.expect(200)["attachment"].clone();
    assert_eq!((&view["status"], &view["attach_mode"]), (&json!("attaching"), &json!("ro")));
    assert_eq!(view["connection_info"]["access_mode"], "ro");
    assert_eq!(view["instance"], Value::Null);
    assert_eq!(statuses(&world, &volume).await, pair("attaching", "attaching"));
}

#[tokio::test]
async fn one_after_another_unless_it_is_the_same_server_or_many_may() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let body = |server: &str| json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}});
    let refusal = |status: &str| {
        format!(
            "Invalid volume: Volume {volume} status must be available or downloading to reserve, but the current status is \
             {status}."
        )
    };
    let first = reserve(member, &volume, SERVER).await;
    member.post("/attachments", body(OTHER_SERVER)).await.refused(400, &refusal("reserved"));
    connect(member, &first, "h1").await;
    complete(member, &first).await;
    member.post("/attachments", body(OTHER_SERVER)).await.refused(400, &refusal("in-use"));
    // The same server moves to another host: not onto the same one twice.
    let second = reserve(member, &volume, SERVER).await;
    assert_eq!(statuses(&world, &volume).await, pair("in-use", "attached"));
    let twice = json!({"attachment": {"connector": {"host": "h1"}}});
    let message = format!("Resource conflict: duplicate connectors detected on volume {volume}");
    member.put(&format!("/attachments/{second}"), twice).await.refused(409, &message);
    connect(member, &second, "h2").await;
    complete(member, &second).await;
    let left = member.delete(&format!("/attachments/{first}")).await.expect(200);
    assert_eq!(left["attachments"][0]["id"], json!(second));
    assert_eq!(keys(&left["attachments"][0]), ["id", "instance", "status", "volume_id"]);
    assert_eq!(statuses(&world, &volume).await, pair("in-use", "attached"));
    share(&world, &volume).await;
    let third = reserve(member, &volume, OTHER_SERVER).await;
    assert_eq!(statuses(&world, &volume).await.0, "reserved");
    connect(member, &third, "h2").await;
    complete(member, &third).await;
    member.delete(&format!("/attachments/{second}")).await.expect(200);
    member.delete(&format!("/attachments/{third}")).await.expect(200);
    assert_eq!(statuses(&world, &volume).await, pair("available", "detached"));
}

#[tokio::test]
async fn what_is_in_error_is_not_attached() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    world.set_volume(&volume, VolumeStatus::Error).await;
    let before = world.rows().await;
    let body = json!({"attachment": {"volume_uuid": volume}});
    let tail = format!("if the volume is in an error state. The Volume {volume} currently has a status of: error ");
    let message = format!("Invalid volume: Volume attachments can not be created {tail}");
    member.post("/attachments", body).await.refused(400, &message);
    let body = json!({"attachment": {"connector": {"host": "h1"}}});
    let message = format!("Resource conflict: Volume attachments can not be updated {tail}");
    member.put(&format!("/attachments/{id}"), body).await.refused(409, &message);
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn bodies_that_cannot_be_meant_change_nothing() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    let free = member.volume(1).await;
    let before = world.rows().await;
    let bad = [
        json!({}),
        json!({"attachment": null}),
        json!({"attachment": {}}),
        json!({"attachment": {"volume_uuid": "x"}}),
        json!({"attachment": {"volume_uuid": free, "instance_uuid": "x"}}),
        json!({"attachment": {"volume_uuid": free, "mode": "w"}}),
        json!({"attachment": {"volume_uuid": free, "bogus": 1}}),
        json!({"attachment": {"volume_uuid": free, "connector": "h"}}),
        json!({"attachment": {"volume_uuid": free, "connector": {"host": 1}}}),
        json!({"attachment": {"volume_uuid": free, "connector": {"mode": "w"}}}),
        json!({"attachment": {"volume_uuid": free, "connector": {"host": "h".repeat(256)}}}),
    ];
    for body in bad {
        assert_eq!(member.post("/attachments", body.clone()).await.code(), 400, "{body}");
    }
    for body in [
        json!({"attachment": {}}),
        json!({"attachment": {"connector": {}}}),
        json!({"attachment": {"connector": null}}),
    ] {
        assert_eq!(member.put(&format!("/attachments/{id}"), body.clone()).await.code(), 400, "{body}");
    }
    let mode_too_early = json!({"attachment": {"volume_uuid": free, "mode": "ro"}});
    assert_eq!(world.member().at("3.53").post("/attachments", mode_too_early).await.code(), 400);
    let unknown = json!({"os-bogus": null});
    assert_eq!(member.post(&format!("/attachments/{id}/action"), unknown).await.code(), 400);
    let nowhere = json!({"attachment": {"volume_uuid": SERVER}});
    member.post("/attachments", nowhere).await.refused(404, &format!("Volume {SERVER} could not be found."));
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn microversions_and_strangers() {
    let world = World::new().await;
    let member = world.member().at("3.44");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    let path = format!("/attachments/{id}");
    let (old, absent) = (world.member().at("3.26"), "The resource could not be found.");
    for path in ["/attachments", "/attachments/detail", &path] {
        old.get(path).await.refused(404, absent);
    }
    old.post("/attachments", json!({"attachment": {"volume_uuid": volume}})).await.refused(404, absent);
    old.delete(&path).await.refused(404, absent);
    let completion = json!({"os-complete": null});
    world.member().at("3.43").post(&format!("{path}/action"), completion.clone()).await.refused(404, absent);

    let stranger = world.stranger().at("3.44");
    let missing = format!("Volume attachment could not be found with filter: attachment_id = {id}.");
    stranger.get(&path).await.refused(404, &missing);
    stranger.delete(&path).await.refused(404, &missing);
    stranger.put(&path, json!({"attachment": {"connector": {"host": "h"}}})).await.refused(404, &missing);
    stranger.post(&format!("{path}/action"), completion).await.refused(404, &missing);
    let body = json!({"attachment": {"volume_uuid": volume}});
    stranger.post("/attachments", body).await.refused(404, &format!("Volume {volume} could not be found."));
    assert_eq!(stranger.get("/attachments").await.expect(200), json!({"attachments": []}));
    assert_eq!(member.get("/attachments").await.expect(200)["attachments"][0]["status"], "reserved");
    let everybody = world.admin().at("3.44").get("/attachments/detail?all_tenants=1").await.expect(200);
    assert_eq!(keys(&everybody["attachments"][0]), DETAIL);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let member = world.member().at("3.31");
    let (one, two) = (member.volume(1).await, member.volume(1).await);
    let (first, second) = (reserve(member, &one, SERVER).await, reserve(member, &two, OTHER_SERVER).await);
    connect(member, &second, "h1").await;
    let ids = async |query: &str| {
        let listed = member.get(&format!("/attachments{query}")).await.expect(200);
        assert_eq!(keys(&listed), ["attachments"]);
        listed["attachments"].as_array().expect("a list").iter().map(|item| text(&item["id"])).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [second.clone(), first.clone()]);
    assert_eq!(ids(&format!("?volume_id={one}")).await, std::slice::from_ref(&first));
    assert_eq!(ids("?status=attaching").await, std::slice::from_ref(&second));
    assert_eq!(ids("?attach_status=reserved").await, std::slice::from_ref(&first));
    assert_eq!(ids(&format!("?instance_id={OTHER_SERVER}")).await, std::slice::from_ref(&second));
    assert_eq!(ids("?limit=1").await, std::slice::from_ref(&second));
    assert_eq!(ids(&format!("?limit=1&marker={second}")).await, std::slice::from_ref(&first));
    assert_eq!(ids("?sort=created_at:asc").await, [first, second]);
    let missing = "Volume attachment could not be found with filter: attachment_id = abc.";
    member.get("/attachments?marker=abc").await.refused(404, missing);
    member.get("/attachments?bogus=1").await.refused(400, "Invalid filters bogus are found in query options.");
}

#[tokio::test]
async fn a_readonly_volume_is_attached_for_reading() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let action = format!("/volumes/{volume}/action");
    member.post(&action, json!({"os-update_readonly_flag": {"readonly": true}})).await.expect(202);
    // The owner cannot take the flag away by clearing the metadata.
    member.put(&format!("/volumes/{volume}/metadata"), json!({"metadata": {"a": "b"}})).await.expect(200);
    let shown = member.get(&format!("/volumes/{volume}")).await.expect(200)["volume"]["metadata"].clone();
    assert_eq!(shown, json!({"a": "b", "readonly": "True"}));
    let attach = |mode: &str| json!({"os-attach": {"instance_uuid": SERVER, "mountpoint": "/dev/vdb", "mode": mode}});
    let message = format!("Invalid attaching mode 'rw' for volume {volume}.");
    member.post(&action, attach("rw")).await.refused(400, &message);
    member.post(&action, attach("ro")).await.expect(202);
    let shown = member.get(&format!("/volumes/{volume}")).await.expect(200)["volume"]["metadata"].clone();
    assert_eq!(shown, json!({"a": "b", "readonly": "True", "attached_mode": "ro"}));
    member.post(&action, json!({"os-detach": null})).await.expect(202);
    let id = reserve(member, &volume, SERVER).await;
    assert_eq!(connect(member, &id, "h1").await["attach_mode"], "ro");
}

#[tokio::test]
async fn the_older_actions_work_on_the_same_rows() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let action = format!("/volumes/{volume}/action");
    let attach = |server: &str| {
        let use_of_it = json!({"instance_uuid": server, "mountpoint": "/dev/vdb", "host_name": "Node_1"});
        json!({"os-attach": use_of_it})
    };
    member.post(&action, json!({"os-reserve": null})).await.expect(202);
    member.post(&action, attach(SERVER)).await.expect(202);
    member.post(&action, attach(SERVER)).await.expect(202);
    let listed = member.get("/attachments/detail").await.expect(200)["attachments"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "attached already");
    assert_eq!((&listed[0]["status"], &listed[0]["instance"]), (&json!("attached"), &json!(SERVER)));
    let twice = "Error attaching volume - InvalidVolume: Invalid volume: volume is already attached and multiple attachments \
                 are not enabled";
    member.post(&action, attach(OTHER_SERVER)).await.refused(400, twice);
    share(&world, &volume).await;
    member.post(&action, attach(OTHER_SERVER)).await.expect(202);
    let ambiguous = "Error detaching volume - InvalidVolume: Invalid volume: Detach volume failed: More than one attachment, \
                     but no attachment_id provided.";
    member.post(&action, json!({"os-begin_detaching": null})).await.expect(202);
    assert_eq!(statuses(&world, &volume).await.0, "detaching");
    member.post(&action, json!({"os-detach": {}})).await.refused(400, ambiguous);
    member.post(&action, json!({"os-roll_detaching": null})).await.expect(202);
    assert_eq!(statuses(&world, &volume).await.0, "in-use");
    let id = text(&listed[0]["id"]);
    member.post(&action, json!({"os-detach": {"attachment_id": id}})).await.expect(202);
    assert_eq!(statuses(&world, &volume).await, pair("in-use", "attached"));
    let missing = format!("Volume attachment could not be found with filter: attachment_id = {id}.");
    member.post(&action, json!({"os-detach": {"attachment_id": id}})).await.refused(404, &missing);
    let forced = json!({"os-force_detach": {"attachment_id": id, "connector": null}});
    let denied = "Policy doesn't allow volume_extension:volume_admin_actions:force_detach to be performed.";
    member.post(&action, forced.clone()).await.refused(403, denied);
    let message = format!("Error force detaching volume - VolumeAttachmentNotFound: {missing}");
    world.admin().post(&action, forced).await.refused(400, &message);
    world.admin().post(&action, json!({"os-force_detach": {}})).await.expect(202);
    assert_eq!(statuses(&world, &volume).await, pair("available", "detached"));
}

#[tokio::test]
async fn a_connection_is_described_and_nothing_written() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let action = format!("/volumes/{volume}/action");
    let before = world.rows().await;
    let post = |body: Value| world.member().with_owned(action.clone(), body);
    let body = json!({"os-initialize_connection": {"connector": {"host": "h1", "enforce_multipath": true}}});
    let info = post(body).await.expect(200)["connection_info"].clone();
    assert_eq!(keys(&info), ["data", "driver_volume_type", "enforce_multipath"]);
    assert_eq!((&info["driver_volume_type"], &info["enforce_multipath"]), (&json!("local"), &json!(true)));
    assert_eq!((&info["data"]["volume_id"], &info["data"]["access_mode"]), (&json!(volume), &json!("rw")));
    assert_eq!((&info["data"]["encrypted"], &info["data"]["qos_specs"]), (&json!(false), &Value::Null));
    post(json!({"os-terminate_connection": {"connector": null}})).await.expect(202);
    for bad in [json!({}), json!({"connector": "h1"}), json!({"connector": null}), json!({"connector": {"host": []}})] {
        assert_eq!(post(json!({"os-initialize_connection": bad})).await.code(), 400, "{bad}");
    }
    assert_eq!(post(json!({"os-terminate_connection": {}})).await.code(), 400);
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn a_reset_to_detached_wipes_the_attachments() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    complete(member, &id).await;
    let reset = json!({"os-reset_status": {"attach_status": "detached"}});
    world.admin().post(&format!("/volumes/{volume}/action"), reset).await.expect(202);
    assert_eq!(statuses(&world, &volume).await, pair("available", "detached"));
    assert_eq!(member.get("/attachments").await.expect(200), json!({"attachments": []}));
}

#[tokio::test]
async fn what_is_detached_during_a_backup_comes_back_available() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    complete(member, &id).await;
    member.running_backup(&volume).await;
    assert_eq!(statuses(&world, &volume).await, pair("backing-up", "attached"));
    member.delete(&format!("/attachments/{id}")).await.expect(200);
    assert_eq!(statuses(&world, &volume).await, pair("backing-up", "detached"), "the backup goes on");
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    assert_eq!(statuses(&world, &volume).await, pair("available", "detached"));
}

#[tokio::test]
async fn of_many_reservations_one_is_made() {
    let world = World::new().await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let body = json!({"attachment": {"volume_uuid": volume}});
    let replies = futures::future::join_all((0..8).map(|_| member.post("/attachments", body.clone()))).await;
    assert_eq!(replies.iter().filter(|reply| reply.code() == 200).count(), 1);
    assert!(replies.iter().all(|reply| matches!(reply.code(), 200 | 400)));
    let listed = member.get("/attachments").await.expect(200);
    assert_eq!(listed["attachments"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn where_a_compute_service_is_it_alone_detaches_from_its_servers() {
    let world = World::with(|config| config.compute_detaches = true).await;
    let member = world.member().at("3.54");
    let volume = member.volume(1).await;
    let id = reserve(member, &volume, SERVER).await;
    connect(member, &id, "h1").await;
    complete(member, &id).await;
    let before = world.rows().await;
    let message = format!("Detach volume from instance {SERVER} using the Compute API");
    member.delete(&format!("/attachments/{id}")).await.refused(409, &message);
    member.post(&format!("/volumes/{volume}/action"), json!({"os-detach": {}})).await.refused(409, &message);
    world
        .admin()
        .post(&format!("/volumes/{volume}/action"), json!({"os-force_detach": {}}))
        .await
        .refused(409, &message);
    assert_eq!(world.rows().await, before);
    // What no server is connected to may go.
    let other = member.volume(1).await;
    let id = reserve(member, &other, SERVER).await;
    member.delete(&format!("/attachments/{id}")).await.expect(200);
    assert_eq!(statuses(&world, &other).await, pair("available", "detached"));
}
