//! What a 202 leaves behind: rows, charges and one job (contract §1.5, §1.6, §2.2, §2.3).

use domain::job::{Ending, Subject};
use domain::quota::Resource;
use domain::volume::VolumeStatus;
use serde_json::{Value, json};

use crate::world::{HOST, OURS, POOL, World, text};

async fn used(world: &World) -> db::quotas::Usage {
    let mut conn = world.database.read().await.expect("a connection");
    db::quotas::usage(&mut conn, OURS).await.expect("usage")
}

#[tokio::test]
async fn a_backup_of_a_volume_in_use_freezes_it() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(3).await;
    world.set_volume(&volume, VolumeStatus::InUse).await;
    let backup = client.running_backup(&volume).await;
    assert_eq!(client.volume_status(&volume).await, "backing-up");
    assert_eq!(client.backup_status(&backup).await, "creating");
    let jobs = world.jobs().await;
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!((job.pool.as_deref(), job.project_id.as_str()), (Some(POOL), OURS));
    assert!(job.request_id.as_deref().is_some_and(|id| id.starts_with("req-")));
    assert!(matches!(job.subject, Subject::BackupCreate { freeze: true, snapshot_id: None, .. }));
    let usage = used(&world).await;
    assert_eq!((usage.plain(Resource::Backups), usage.plain(Resource::BackupGigabytes)), (1, 3));
    world.finish_jobs(Ending::Succeeded).await;
    assert_eq!(client.volume_status(&volume).await, "in-use");
}

#[tokio::test]
async fn a_snapshot_backup_leaves_the_volume_alone() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let snapshot = client.snapshot(&volume).await;
    world.set_volume(&volume, VolumeStatus::Error).await;
    let body = json!({"backup": {"volume_id": volume, "snapshot_id": snapshot}});
    let backup = text(&client.post("/backups", body).await.expect(202)["backup"]["id"]);
    assert_eq!(client.volume_status(&volume).await, "error");
    let snapshot = client.get(&format!("/snapshots/{snapshot}")).await.expect(200)["snapshot"].clone();
    assert_eq!(snapshot["status"], "backing-up");
    let backup = client.get(&format!("/backups/{backup}")).await.expect(200)["backup"].clone();
    assert_eq!(backup["data_timestamp"], snapshot["created_at"]);
    assert_eq!(backup["snapshot_id"], snapshot["id"]);
}

#[tokio::test]
async fn parents_are_of_the_callers_project() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let full = world.member().backup(&volume).await;
    let other = crate::world::THEIRS;
    let body = json!({"backup": {"volume_id": volume, "incremental": true}});
    let request = http::Request::post(format!("/v3/{other}/backups"))
        .header("x-auth-token", format!("admin:{other}"))
        .header("content-type", "application/json")
        .body(body.to_string().into());
    let reply = world.send(request.expect("a request")).await;
    reply.refused(400, "Invalid backup: No backups available to do an incremental backup.");
    let child = world.member().incremental(&volume).await;
    let view = |id: String| {
        let client = world.member();
        async move { client.get(&format!("/backups/{id}")).await.expect(200)["backup"].clone() }
    };
    assert_eq!(view(full).await["has_dependent_backups"], true);
    let child = view(child).await;
    assert_eq!((&child["is_incremental"], &child["has_dependent_backups"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn a_restore_answers_at_once_with_the_new_volume() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(2).await;
    let backup = client.backup(&volume).await;
    let path = format!("/backups/{backup}/restore");
    let answer = client.post(&path, json!({"restore": {}})).await.expect(202)["restore"].clone();
    assert_eq!(crate::world::keys(&answer), ["backup_id", "volume_id", "volume_name"]);
    assert_eq!(answer["volume_name"], format!("restore_backup_{backup}"));
    assert_eq!(client.backup_status(&backup).await, "restoring");
    let target = text(&answer["volume_id"]);
    let made = client.get(&format!("/volumes/{target}")).await.expect(200)["volume"].clone();
    assert_eq!((&made["status"], &made["size"]), (&json!("restoring-backup"), &json!(2)));
    assert_eq!(made["description"], "auto-created_from_restore_from_backup");
    assert!(matches!(world.jobs().await[0].subject, Subject::BackupRestore { new_volume: true, .. }));
    client.post(&path, json!({"restore": {}})).await.refused(400, "Invalid backup: Backup status must be available");
    world.finish_jobs(Ending::Succeeded).await;
    assert_eq!(client.volume_status(&target).await, "available");

    let named = client.post(&path, json!({"restore": {"volume_id": null, "name": "mine"}})).await.expect(202);
    assert_eq!(named["restore"]["volume_name"], "mine");
    world.finish_jobs(Ending::Succeeded).await;
    let onto = client.post(&path, json!({"restore": {"volume_id": volume, "name": "ignored"}})).await.expect(202);
    assert_eq!(onto["restore"], json!({"backup_id": backup, "volume_id": volume, "volume_name": "v"}));
    assert!(matches!(world.jobs().await[0].subject, Subject::BackupRestore { new_volume: false, .. }));
    assert_eq!(client.volume_status(&volume).await, "restoring-backup");
    world.finish_jobs(Ending::Failed).await;
    assert_eq!(client.volume_status(&volume).await, "error_restoring");
    assert_eq!(client.backup_status(&backup).await, "available");
}

#[tokio::test]
async fn volumes_from_every_source() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(2).await;
    let (snapshot, backup) = (client.snapshot(&volume).await, client.backup(&volume).await);
    let made = |body: Value| async move {
        let volume = client.post("/volumes", json!({"volume": body})).await.expect(202)["volume"].clone();
        assert_eq!((&volume["status"], &volume["size"]), (&json!("creating"), &json!(2)));
        volume
    };
    let from_snapshot = made(json!({"snapshot_id": snapshot})).await;
    assert_eq!(from_snapshot["snapshot_id"], snapshot);
    let from_volume = made(json!({"source_volid": volume, "size": 2})).await;
    assert_eq!(from_volume["source_volid"], volume);
    let jobs = world.jobs().await;
    assert!(jobs.iter().all(|job| job.pool.as_deref() == Some(POOL)), "a copy lies where its source does");
    world.finish_jobs(Ending::Succeeded).await;
    made(json!({"backup_id": backup})).await;
    assert_eq!(client.backup_status(&backup).await, "restoring");
    assert!(matches!(world.jobs().await[0].subject, Subject::BackupRestore { new_volume: true, .. }));
}

#[tokio::test]
async fn deletions() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let snapshot = client.snapshot(&volume).await;
    client.delete(&format!("/volumes/{volume}?cascade=True")).await.expect(202);
    let snapshot = client.get(&format!("/snapshots/{snapshot}")).await.expect(200);
    assert_eq!(snapshot["snapshot"]["status"], "deleting");
    assert_eq!(client.volume_status(&volume).await, "deleting");
    let jobs = world.jobs().await;
    assert!(matches!(jobs[..], [ref job] if matches!(job.subject, Subject::VolumeDelete { keep_data: false, .. })));

    let volume = client.volume(1).await;
    let backup = client.backup(&volume).await;
    // A volume's backups outlive it.
    client.delete(&format!("/volumes/{volume}")).await.expect(202);
    client.delete(&format!("/backups/{backup}")).await.expect(202);
    assert_eq!(client.backup_status(&backup).await, "deleting");
    world.finish_jobs(Ending::Succeeded).await;
    client.get(&format!("/backups/{backup}")).await.refused(404, &format!("Backup {backup} could not be found."));
}

#[tokio::test]
async fn a_forced_deletion_stops_the_job_under_way() {
    let world = World::new().await;
    let (client, admin) = (world.member(), world.admin());
    let volume = client.volume(1).await;
    let backup = client.running_backup(&volume).await;
    let action = format!("/backups/{backup}/action");
    admin.post(&action, json!({"os-force_delete": null})).await.expect(202);
    assert_eq!(client.backup_status(&backup).await, "deleting");
    let jobs = world.jobs().await;
    assert!(jobs.iter().any(|job| matches!(job.subject, Subject::BackupCreate { .. }) && job.cancel_requested));
    let deletions = jobs.iter().filter(|job| matches!(job.subject, Subject::BackupDelete { .. })).count();
    assert_eq!(deletions, 1);
    admin.post(&action, json!({"os-force_delete": {}})).await.expect(202);
    assert_eq!(world.jobs().await.len(), jobs.len(), "once is enough");
    let body = json!({"os-force_delete": {}});
    let volume = text(&client.post("/volumes", json!({"volume": {"size": 1}})).await.expect(202)["volume"]["id"]);
    admin.post(&format!("/volumes/{volume}/action"), body).await.expect(202);
    assert_eq!(client.volume_status(&volume).await, "deleting");
}

#[tokio::test]
async fn extending_and_flags() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let action = format!("/volumes/{volume}/action");
    client.post(&action, json!({"os-extend": {"new_size": "3"}})).await.expect(202);
    assert_eq!(client.volume_status(&volume).await, "extending");
    assert_eq!(used(&world).await.plain(Resource::Gigabytes), 3);
    world.finish_jobs(Ending::Succeeded).await;
    let set = client.post(&action, json!({"os-set_bootable": {"bootable": true}})).await;
    assert_eq!((set.code(), set.text.as_str()), (200, ""));
    client.post(&action, json!({"os-update_readonly_flag": {"readonly": "yes"}})).await.expect(202);
    let view = client.get(&format!("/volumes/{volume}")).await.expect(200)["volume"].clone();
    assert_eq!((&view["size"], &view["bootable"]), (&json!(3), &json!("true")));
    assert_eq!(view["metadata"], json!({"readonly": "True"}));
    world.set_volume(&volume, VolumeStatus::InUse).await;
    assert_eq!(client.post(&action, json!({"os-extend": {"new_size": 4}})).await.code(), 400);
    client.at("3.42").post(&action, json!({"os-extend": {"new_size": 4}})).await.expect(202);
}

#[tokio::test]
async fn an_existing_file_becomes_a_volume() {
    let world = World::new().await;
    let admin = world.admin();
    let body = |host: &str| json!({"volume": {"host": host, "ref": {"source-name": "/srv/disk.raw"}, "name": "mine"}});
    let message = format!("Service cinder-volume could not be found on host {HOST}@{POOL}#{POOL}.");
    let address = format!("{HOST}@{POOL}#{POOL}");
    admin.post("/os-volume-manage", body(&address)).await.refused(404, &message);
    world.register_worker().await;
    for (path, host) in [("/os-volume-manage", address.as_str()), ("/manageable_volumes", POOL)] {
        let volume = admin.at("3.8").post(path, body(host)).await.expect(202)["volume"].clone();
        assert_eq!(
            (&volume["status"], &volume["size"], &volume["name"]),
            (&json!("creating"), &json!(0), &json!("mine"))
        );
    }
    assert!(
        world
            .jobs()
            .await
            .iter()
            .all(|job| matches!(&job.subject, Subject::VolumeManage { source, .. } if source == "/srv/disk.raw"))
    );
    let pools = admin.get("/scheduler-stats/get_pools?detail=True").await.expect(200);
    assert_eq!(pools["pools"][0]["name"], address);
    assert_eq!(pools["pools"][0]["capabilities"]["free_capacity_gb"], 1.0);
    world.finish_jobs(Ending::Succeeded).await;
    let list = admin.get("/volumes").await.expect(200);
    let volume = text(&list["volumes"][0]["id"]);
    admin.post(&format!("/volumes/{volume}/action"), json!({"os-unmanage": {}})).await.expect(202);
    assert!(matches!(world.jobs().await[0].subject, Subject::VolumeDelete { keep_data: true, .. }));
    for bad in [json!("x"), json!({}), json!({"source-name": ""}), json!({"source-name": 5}), Value::Null] {
        let reply = admin.post("/os-volume-manage", json!({"volume": {"host": POOL, "ref": bad}})).await;
        assert_eq!(reply.code(), 400);
    }
}

#[tokio::test]
async fn two_requests_for_one_volume() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let body = json!({"backup": {"volume_id": volume}});
    let (first, second) = tokio::join!(client.post("/backups", body.clone()), client.post("/backups", body));
    let mut codes = [first.code(), second.code()];
    codes.sort_unstable();
    assert_eq!(codes, [202, 400]);
    assert_eq!(world.jobs().await.len(), 1);
    assert_eq!(used(&world).await.plain(Resource::Backups), 1);
}

#[tokio::test]
async fn updates() {
    let world = World::new().await;
    let client = world.member().at("3.43");
    let volume = client.volume(1).await;
    let backup = client.backup(&volume).await;
    let path = format!("/backups/{backup}");
    let body = json!({"backup": {"name": " new ", "description": null, "metadata": {"a": "b"}}});
    let answer = client.put(&path, body).await.expect(200);
    assert_eq!(crate::world::keys(&answer["backup"]), ["id", "links", "name"]);
    client.put(&path, json!({"backup": {}})).await.expect(200);
    let view = client.get(&path).await.expect(200)["backup"].clone();
    assert_eq!(
        (&view["name"], &view["description"], &view["metadata"]),
        (&json!("new"), &Value::Null, &json!({"a": "b"}))
    );
    client.put(&path, json!({"backup": {"metadata": {}}})).await.expect(200);
    assert_eq!(client.get(&path).await.expect(200)["backup"]["metadata"], json!({}));
    let body = json!({"volume": {"display_name": "renamed", "metadata": {"k": "v"}}});
    let answer = client.put(&format!("/volumes/{volume}"), body).await.expect(200);
    assert_eq!((&answer["volume"]["name"], &answer["volume"]["metadata"]), (&json!("renamed"), &json!({"k": "v"})));
    let summary = client.get("/volumes/summary").await.expect(200);
    assert_eq!(summary, json!({"volume-summary": {"total_count": 1, "total_size": 1, "metadata": {"k": ["v"]}}}));
}
