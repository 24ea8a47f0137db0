//! Records of backups: what is exported, what is imported, and what is refused (contract §1.5.7, §1.5.8).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::backups::Place;
use domain::backup::BackupStatus;
use domain::job::{Ending, Subject};
use domain::quota::Resource;
use domain::{BackupId, Timestamp};
use serde_json::{Value, json};

use crate::world::{OURS, Reply, THEIRS, World, keys, text};

const SERVICE: &str = "cinder.backup.drivers.swift.SwiftBackupDriver";
const ID: &str = "228b631e-94a1-4d5e-8b8c-0f7c7c1d2e3f";

/// A record as another Cinder wrote it.
fn record() -> Value {
    json!({"driver_info": {}, "id": ID, "user_id": "u", "project_id": "elsewhere",
        "volume_id": "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f", "host": "h", "availability_zone": "z", "container": "c",
        "parent_id": null, "status": "error", "fail_reason": "x", "size": 2, "display_name": "n", "display_description": "d",
        "service_metadata": "volume_v/20261122142937/az_z_backup_b", "service": SERVICE, "object_count": 2,
        "metadata": {}, "created_at": "2026-11-22T14:29:37Z", "deleted": false})
}

fn with(name: &str, value: Value) -> Value {
    let mut record = record();
    record[name] = value;
    record
}

async fn import(client: crate::world::Client<'_>, record: &Value) -> Reply {
    import_text(client, &STANDARD.encode(record.to_string())).await
}

async fn import_text(client: crate::world::Client<'_>, url: &str) -> Reply {
    let body = json!({"backup-record": {"backup_service": SERVICE, "backup_url": url}});
    client.post("/backups/import_record", body).await
}

async fn place(world: &World, id: &str) {
    let place = Place {
        container: "volumebackups".to_owned(),
        prefix: "volume_v/20261122142937/az_z_backup_b".to_owned(),
        service: SERVICE.to_owned(),
        availability_zone: "nova".to_owned(),
        host: "h1".to_owned(),
    };
    let id: BackupId = id.parse().expect("an id");
    let mut tx = world.database.begin("test: place").await.expect("begin");
    db::backups::begin(&mut tx, id, &place, Timestamp::now()).await.expect("placed");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn an_export_can_be_imported_again_when_the_row_is_gone() {
    let world = World::new().await;
    let volume = world.member().volume(2).await;
    let backup = world.member().at("3.43").backup(&volume).await;
    let pairs = json!({"backup": {"metadata": {"k": "v"}}});
    world.member().at("3.43").put(&format!("/backups/{backup}"), pairs).await.expect(200);
    place(&world, &backup).await;
    let answer = world.admin().get(&format!("/backups/{backup}/export_record")).await.expect(200);
    assert_eq!(keys(&answer), ["backup-record"]);
    assert_eq!(keys(&answer["backup-record"]), ["backup_service", "backup_url"]);
    assert_eq!(answer["backup-record"]["backup_service"], SERVICE);
    let url = text(&answer["backup-record"]["backup_url"]);
    let document: Value = serde_json::from_slice(&STANDARD.decode(&url).expect("base64")).expect("JSON");
    assert_eq!(document.as_object().map_or(0, serde_json::Map::len), 29);
    let named =
        ["id", "project_id", "size", "display_name", "container", "metadata"].map(|name| document[name].clone());
    assert_eq!(json!(named), json!([backup, OURS, 2, "b", "volumebackups", {"k": "v"}]));

    import_text(world.admin(), &url).await.refused(400, "Invalid backup: Backup already exists in database.");
    world.member().delete(&format!("/backups/{backup}")).await.expect(202);
    world.finish_jobs(Ending::Succeeded).await;
    let answer = import_text(world.admin(), &url).await.expect(201);
    assert_eq!(keys(&answer["backup"]), ["id", "links", "name"]);
    assert_eq!((&answer["backup"]["id"], &answer["backup"]["name"]), (&json!(backup), &Value::Null));
    let seen = world.member().at("3.64").get(&format!("/backups/{backup}")).await.expect(200)["backup"].clone();
    assert_eq!((&seen["status"], &seen["container"]), (&json!("creating"), &Value::Null));
    assert_eq!(seen["volume_id"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(seen["metadata"], json!({}), "nothing is taken from the record before its objects were seen");
    let jobs = world.jobs().await;
    let [job] = jobs.as_slice() else { panic!("not one job: {jobs:?}") };
    assert!(
        matches!(&job.subject, Subject::BackupImport { service, record, .. } if service == SERVICE && *record == url)
    );
    assert_eq!(job.project_id, OURS);
}

#[tokio::test]
async fn exports_are_for_administrators_of_available_backups() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let backup = world.member().backup(&volume).await;
    let path = format!("/backups/{backup}/export_record");
    world.admin().get(&path).await.refused(400, "Invalid backup: Backup has no objects in any store.");
    place(&world, &backup).await;
    world.admin().get(&path).await.expect(200);
    world.member().get(&path).await.refused(403, "Policy doesn't allow backup:export-import to be performed.");
    assert_eq!(world.stranger().get(&path).await.code(), 403);
    world.admin().get("/backups/abc/export_record").await.refused(404, "Backup abc could not be found.");
    for status in
        BackupStatus::ALL.iter().filter(|status| !matches!(status, BackupStatus::Available | BackupStatus::Deleted))
    {
        world.set_backup(&backup, *status).await;
        let message = format!("Invalid backup: Backup status must be available and not {status}.");
        world.admin().get(&path).await.refused(400, &message);
    }
}

#[tokio::test]
async fn an_import_is_charged_to_the_importer() {
    let world = World::new().await;
    world.set_limit(Resource::BackupGigabytes, 3).await;
    let usage = async || {
        let mut conn = world.database.read().await.expect("a connection");
        db::quotas::usage(&mut conn, OURS).await.expect("usage")
    };
    let before = world.rows().await;
    let message = "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested \
                   4G, quota is 3G and 0G has been consumed.";
    import(world.admin(), &with("size", json!(4))).await.refused(413, message);
    assert_eq!(world.rows().await, before);
    import(world.admin(), &record()).await.expect(201);
    assert_eq!(usage().await.plain(Resource::BackupGigabytes), 2);
    world.finish_jobs(Ending::Failed).await;
    assert_eq!(world.admin().backup_status(ID).await, "error");
    world.admin().delete(&format!("/backups/{ID}")).await.expect(202);
    world.finish_jobs(Ending::Succeeded).await;
    assert_eq!(usage().await.plain(Resource::BackupGigabytes), 0);
    import(world.admin(), &record()).await.expect(201);
    let request = http::Request::post(format!("/v3/{THEIRS}/backups/import_record"))
        .header("x-auth-token", format!("admin:{THEIRS}"))
        .header("content-type", "application/json")
        .body(
            json!({"backup-record": {"backup_service": "", "backup_url": STANDARD.encode(record().to_string())}})
                .to_string()
                .into(),
        );
    let reply = world.send(request.expect("a request")).await;
    reply.refused(400, "Invalid backup: Backup already exists in database.");
}

#[tokio::test]
async fn records_that_are_refused_change_nothing() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let snapshot = world.member().snapshot(&volume).await;
    let before = world.rows().await;
    let refused = async |record: Value, message: &str| {
        import(world.admin(), &record).await.refused(400, message);
        assert_eq!(world.rows().await, before, "{record}");
    };
    let foreign = "Invalid backup: The record's id is another resource's.";
    refused(with("id", json!(volume)), foreign).await;
    refused(with("id", json!(snapshot)), foreign).await;
    refused(json!({"size": 1}), "Invalid input received: Provided backup record is missing an id").await;
    refused(json!({"id": ID}), "Invalid input received: Provided backup record is missing size attribute").await;
    refused(with("size", json!(-1)), "Invalid input received: The backup record's size is not valid.").await;
    refused(with("container", json!("../x")), "Invalid input received: The backup record's container is not valid.")
        .await;
    refused(json!([]), "Invalid input received: Can't parse backup record.").await;
    let pairs: serde_json::Map<_, _> = (0..300).map(|key| (format!("{key}"), json!("x".repeat(255)))).collect();
    let large = import(world.admin(), &with("metadata", Value::Object(pairs.clone()))).await;
    assert_eq!(large.code(), 201, "as much as a request holds, which is less than a backup may have");
    let id = json!({"backup-record": {"backup_service": "x".repeat(256), "backup_url": "e30="}});
    assert_eq!(world.admin().post("/backups/import_record", id).await.code(), 400);
    let huge = import_text(world.admin(), &"QUJD".repeat(10 << 18)).await;
    assert_eq!((huge.code(), huge.fault().0.as_str()), (413, "overLimit"));
    let message = "Invalid input for field/attribute backup_url. Value: no-base64. 'no-base64' is not a 'base64'";
    import_text(world.admin(), "no-base64").await.refused(400, message);
    let post = |body: Value| world.admin().with_owned("/backups/import_record".to_owned(), body);
    post(json!({})).await.refused(400, "'backup-record' is a required property");
    for body in [
        json!({"backup-record": null}),
        json!({"backup-record": {"backup_url": "e30="}}),
        json!({"backup-record": {"backup_service": "s"}}),
        json!({"backup-record": {"backup_service": "s", "backup_url": ""}}),
        json!({"backup-record": {"backup_service": "s", "backup_url": 5}}),
        json!({"backup-record": {"backup_service": "s", "backup_url": "e30=", "more": 1}}),
        json!({"backup-record": {"backup_service": null, "backup_url": "e30="}}),
    ] {
        assert_eq!(post(body.clone()).await.code(), 400, "{body}");
    }
    let message = "Policy doesn't allow backup:backup-import to be performed.";
    import(world.member(), &record()).await.refused(403, message);
}

#[tokio::test]
async fn keys_are_shown_where_they_are_known() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let backup: BackupId = world.member().backup(&volume).await.parse().expect("an id");
    let shown = async |version: &str| {
        let path = format!("/backups/{backup}");
        world.member().at(version).get(&path).await.expect(200)["backup"].get("encryption_key_id").cloned()
    };
    let row = {
        let mut conn = world.database.read().await.expect("a connection");
        db::backups::get(&mut conn, &db::Scope::All, &backup.to_string()).await.expect("a backup")
    };
    for (key, expected) in [("00000000-0000-0000-0000-000000000000", None), (ID, Some(json!(ID)))] {
        let changed = domain::backup::Backup { encryption_key_id: Some(key.to_owned()), ..row.clone() };
        let mut tx = world.database.begin("test: key").await.expect("begin");
        db::backups::fill(&mut tx, &changed, Timestamp::now()).await.expect("filled");
        tx.commit().await.expect("commit");
        assert_eq!(shown("3.64").await, expected);
        assert_eq!(shown("3.63").await, None);
    }
}

#[tokio::test]
async fn a_status_is_reset_by_its_word() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let backup = world.member().running_backup(&volume).await;
    let path = format!("/backups/{backup}/action");
    let post = |status: Value| world.admin().with_owned(path.clone(), json!({"os-reset_status": {"status": status}}));
    for word in ["bogus", "creating", ""] {
        let message = format!("Backup status: {word} is invalid, valid statuses are: ['available', 'error'].");
        post(json!(word)).await.refused(400, &message);
    }
    post(json!("BoGus"))
        .await
        .refused(400, "Backup status: BoGus is invalid, valid statuses are: ['available', 'error'].");
    assert_eq!(post(json!(null)).await.code(), 400);
    assert_eq!(world.member().post(&path, json!({"os-reset_status": {"status": "error"}})).await.code(), 403);
    post(json!("ERROR")).await.expect(202);
    assert_eq!(
        world.member().backup_status(&backup).await,
        "error",
        "no worker ever began it, and it is reset all the same"
    );
    assert!(world.jobs().await.iter().all(|job| job.cancel_requested), "whatever works on it shall stop");
    post(json!("Available")).await.expect(202);
    assert_eq!(world.member().backup_status(&backup).await, "available");
}
