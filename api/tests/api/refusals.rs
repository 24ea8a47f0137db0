//! Each refusal in its words, and that it changes nothing.

use domain::backup::BackupStatus;
use domain::quota::Resource;
use domain::snapshot::SnapshotStatus;
use domain::volume::VolumeStatus;
use serde_json::{Value, json};

use crate::world::{Reply, World};

const NOBODY: &str = "7c60c9df-1111-4222-8333-444455556666";

/// Makes the request and compares the rows around it.
async fn unchanged<F: Future<Output = Reply>>(world: &World, request: F, code: u16, message: &str) {
    let before = world.rows().await;
    request.await.refused(code, message);
    assert_eq!(world.rows().await, before, "{message}");
}

#[tokio::test]
async fn backup_create() {
    let world = World::new().await;
    let client = world.member();
    let (volume, other) = (client.volume(1).await, client.volume(1).await);
    let snapshot = client.snapshot(&other).await;
    let post = |body: Value| async move { world_post(client, body).await };
    let refused = |body: Value, code: u16, message: String| {
        let world = &world;
        async move { unchanged(world, post(body), code, &message).await }
    };
    refused(json!({"volume_id": NOBODY}), 404, format!("Volume {NOBODY} could not be found.")).await;
    refused(json!({"volume_id": volume, "snapshot_id": NOBODY}), 404, format!("Snapshot {NOBODY} could not be found."))
        .await;
    let message = format!("Invalid volume: Volume {volume} does not match with snapshot.volume_id {other}.");
    refused(json!({"volume_id": volume, "snapshot_id": snapshot}), 400, message).await;
    world.set_snapshot(&snapshot, SnapshotStatus::Error).await;
    let message =
        "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"error\".".to_owned();
    refused(json!({"volume_id": other, "snapshot_id": snapshot}), 400, message).await;
    let none = "Invalid backup: No backups available to do an incremental backup.".to_owned();
    refused(json!({"volume_id": volume, "incremental": true}), 400, none).await;
    world.set_volume(&volume, VolumeStatus::Error).await;
    let message =
        "Invalid volume: Volume to be backed up must be available or in-use, but the current status is \"error\"."
            .to_owned();
    refused(json!({"volume_id": volume}), 400, message).await;
    world.set_volume(&volume, VolumeStatus::InUse).await;
    let message = "Invalid volume: Backing up an in-use volume must use the force flag.".to_owned();
    refused(json!({"volume_id": volume}), 400, message).await;
    world_post(client, json!({"volume_id": volume, "force": true})).await.expect(202);
}

async fn world_post(client: crate::world::Client<'_>, backup: Value) -> Reply {
    client.post("/backups", json!({"backup": backup})).await
}

#[tokio::test]
async fn quota_of_backups() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(2).await;
    world.set_limit(Resource::Backups, 0).await;
    let post = || world_post(client, json!({"volume_id": volume, "incremental": true}));
    // The quota is looked at before the parent.
    unchanged(&world, post(), 413, "BackupLimitExceeded: Maximum number of backups allowed (0) exceeded").await;
    world.set_limit(Resource::BackupGigabytes, 1).await;
    let message = "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested \
                   2G, quota is 1G and 0G has been consumed.";
    let reply = post().await;
    assert_eq!(reply.header("retry-after"), Some("0"));
    let fault = json!({"overLimit": {"code": 413, "message": message, "retryAfter": "0"}});
    assert_eq!(reply.json(), fault);
}

#[tokio::test]
async fn backup_restore_and_delete() {
    let world = World::new().await;
    let client = world.member();
    let (volume, small) = (client.volume(2).await, client.volume(1).await);
    let backup = client.backup(&volume).await;
    let path = format!("/backups/{backup}/restore");
    let restore = |body: Value| client.with_body(http::Method::POST, &path, json!({"restore": body}));
    let message = "Invalid volume: volume size 1 is too small to restore backup of size 2.";
    unchanged(&world, restore(json!({"volume_id": small})), 400, message).await;
    unchanged(&world, restore(json!({"volume_id": NOBODY})), 404, &format!("Volume {NOBODY} could not be found."))
        .await;
    world.set_volume(&volume, VolumeStatus::InUse).await;
    let message = "Invalid volume: Volume to be restored to must be available";
    unchanged(&world, restore(json!({"volume_id": volume})), 400, message).await;
    world.set_limit(Resource::Volumes, 2).await;
    let message = "Maximum number of volumes allowed (2) exceeded for quota 'volumes'.";
    unchanged(&world, restore(json!({})), 413, message).await;
    world.set_backup(&backup, BackupStatus::Creating).await;
    unchanged(&world, restore(json!({})), 400, "Invalid backup: Backup status must be available").await;
    let body = client.post(&path, json!({"restore": null})).await;
    assert_eq!(body.code(), 400);
    client.post(&path, json!({})).await.refused(400, "'restore' is a required property");
    let message = "Invalid backup: Backup status must be available or error";
    unchanged(&world, client.delete(&format!("/backups/{backup}")), 400, message).await;

    world.set_volume(&volume, VolumeStatus::Available).await;
    world.set_backup(&backup, BackupStatus::Available).await;
    let child = client.incremental(&volume).await;
    world.set_backup(&child, BackupStatus::Error).await;
    let message = "Invalid backup: Incremental backups exist for this backup.";
    unchanged(&world, client.delete(&format!("/backups/{backup}")), 400, message).await;
    let action = format!("/backups/{backup}/action");
    unchanged(&world, world.admin().post(&action, json!({"os-force_delete": null})), 400, message).await;
    client.get("/backups/abc").await.refused(404, "Backup abc could not be found.");
    client.delete("/backups/123").await.refused(404, "Backup 123 could not be found.");
}

#[tokio::test]
async fn backup_actions() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let backup = world.member().backup(&volume).await;
    let path = format!("/backups/{backup}/action");
    let post = |body: Value| world.admin().with_owned(path.clone(), body);
    let message = "Backup status: bogus is invalid, valid statuses are: ['available', 'error'].";
    unchanged(&world, post(json!({"os-reset_status": {"status": "bogus"}})), 400, message).await;
    let message = "Invalid input for field/attribute os-reset_status. Value: {}. 'status' is a required property";
    unchanged(&world, post(json!({"os-reset_status": {}})), 400, message).await;
    let unknown = |name| {
        format!("There is no such action: {name}. Verify the request body and Content-Type header and try again.")
    };
    unchanged(&world, post(json!({"os-bogus": {}})), 400, &unknown("os-bogus")).await;
    unchanged(&world, post(json!({})), 400, &unknown("None")).await;
    unchanged(&world, post(json!({"a": 1, "b": 2})), 400, "Malformed request body").await;
    let denied = "Policy doesn't allow volume_extension:backup_admin_actions:force_delete to be performed.";
    unchanged(&world, world.member().post(&path, json!({"os-force_delete": null})), 403, denied).await;
    post(json!({"os-reset_status": {"status": "ERROR"}})).await.expect(202);
    assert_eq!(world.member().backup_status(&backup).await, "error");
}

#[tokio::test]
async fn volume_create() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(2).await;
    let (backup, snapshot) = (client.backup(&volume).await, client.snapshot(&volume).await);
    let input = "Invalid input received: ";
    let malformed =
        "The server could not comply with the request since it is either malformed or otherwise incorrect.".to_owned();
    let cases = [
        (json!({}), 400, malformed),
        (json!({"name": "x"}), 400, format!("{input}Volume size 'None' must be an integer and greater than 0")),
        (json!({"size": "0"}), 400, "Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1".into()),
        (json!({"size": 1, "volume_type": "zz"}), 404, "Volume type with name zz could not be found.".into()),
        (json!({"size": 1, "availability_zone": "zz"}), 400, "Availability zone 'zz' is invalid.".into()),
        (json!({"size": 1, "snapshot_id": NOBODY}), 404, format!("Snapshot {NOBODY} could not be found.")),
        (json!({"size": 1, "source_volid": NOBODY}), 404, format!("Volume {NOBODY} could not be found.")),
        (json!({"size": 1, "backup_id": NOBODY}), 404, format!("Backup {NOBODY} could not be found.")),
        (
            json!({"size": 1, "imageRef": "cirros"}),
            400,
            "Invalid image identifier or unable to access requested image.".into(),
        ),
        (
            json!({"size": 2, "backup_id": backup, "snapshot_id": snapshot}),
            400,
            format!("{input}May specify only one of backup, imageRef, snapshot, source volume"),
        ),
        (
            json!({"size": 1, "backup_id": backup}),
            400,
            format!("{input}Volume size 1GB cannot be smaller than the backup size 2GB. It must be >= backup size."),
        ),
        (
            json!({"size": 1000}),
            413,
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 1000G, \
             quota is 1000G and 4G has been consumed."
                .into(),
        ),
    ];
    for (body, code, message) in cases {
        unchanged(&world, client.post("/volumes", json!({"volume": body})), code, &message).await;
    }
    for body in [json!({"size": 1, "source_volid": volume}), json!({"size": 1, "snapshot_id": snapshot})] {
        assert_eq!(client.post("/volumes", json!({"volume": body})).await.code(), 400);
    }
    let strict = client.at("3.53").post("/volumes", json!({"volume": {"size": 1, "bogus": 1}})).await;
    assert_eq!(strict.code(), 400);
    world.set_backup(&backup, BackupStatus::Restoring).await;
    let message = format!("{input}Originating backup status must be one of 'available' values");
    let body = json!({"volume": {"backup_id": backup}});
    unchanged(&world, client.post("/volumes", body), 400, &message).await;
    world.set_limit(Resource::Volumes, 1).await;
    let message = "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.";
    unchanged(&world, client.post("/volumes", json!({"volume": {"size": 1}})), 413, message).await;
}

#[tokio::test]
async fn volume_update_and_delete() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let path = format!("/volumes/{volume}");
    client.put(&path, json!({"volume": {}})).await.expect(200);
    let message = "Invalid input for field/attribute volume. Value: {}. {} is not valid under any of the given schemas";
    unchanged(&world, client.at("3.53").with_owned_put(path.clone(), json!({"volume": {}})), 400, message).await;
    assert_eq!(client.put(&path, json!({"volume": {"size": 5}})).await.code(), 400);
    let rule = |snapshots: &str| {
        format!(
            "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing \
             and must not be migrating, attached, belong to a group,{snapshots} awaiting a transfer, or be disassociated from \
             snapshots after volume transfer."
        )
    };
    client.snapshot(&volume).await;
    unchanged(&world, client.delete(&path), 400, &rule(" have snapshots,")).await;
    world.set_volume(&volume, VolumeStatus::BackingUp).await;
    let cascade = format!("{path}?cascade=True");
    unchanged(&world, client.delete(&cascade), 400, &rule("")).await;
    let denied = "Policy doesn't allow volume:force_delete to be performed.";
    let force = format!("{path}?force=True");
    unchanged(&world, client.at("3.23").delete_owned(force), 403, denied).await;
    client.get("/volumes/nope").await.refused(404, "Volume nope could not be found.");
}

#[tokio::test]
async fn volume_actions() {
    let world = World::new().await;
    let volume = world.member().volume(2).await;
    let path = format!("/volumes/{volume}/action");
    let post = |body: Value| world.admin().with_owned(path.clone(), body);
    let reset = |status: &str| json!({"os-reset_status": {"status": status}});
    let statuses = "('creating', 'available', 'deleting', 'error', 'error_deleting', 'error_managing', 'managing', 'attaching', \
                    'in-use', 'detaching', 'maintenance', 'restoring-backup', 'error_restoring', 'reserved', \
                    'awaiting-transfer', 'backing-up', 'error_backing-up', 'error_extending', 'downloading', 'uploading', \
                    'retyping', 'extending')";
    let cases = [
        (
            json!({"os-extend": {"new_size": 1}}),
            "Invalid input received: New size for extend must be greater than current size. (current: 2, extended: 1).".into(),
        ),
        (
            json!({"os-extend": {"new_size": null}}),
            "Invalid input for field/attribute new_size. Value: None. None is not of type 'integer', 'string'".into(),
        ),
        (
            json!({"os-reset_status": {}}),
            "Must specify 'status', 'attach_status' or 'migration_status' for update.".into(),
        ),
        (reset("bogus"), format!("Volume status: bogus is invalid, valid statuses are: {statuses}.")),
        (reset("deleting"), "Cannot reset-state to deleting".into()),
        (reset("in-use"), "Cannot reset-state to in-use because volume does not have any attachments.".into()),
        (
            json!({"os-begin_detaching": {}}),
            "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to \
             detach."
                .to_owned(),
        ),
    ];
    for (body, message) in cases {
        unchanged(&world, post(body), 400, &message).await;
    }
    post(json!({"os-reserve": {}})).await.expect(202);
    let message = "Invalid volume: Volume status must be available to reserve, but the status is attaching.";
    unchanged(&world, post(json!({"os-reserve": {}})), 400, message).await;
    assert_eq!(post(json!({"os-attach": {"mountpoint": "/dev/vdb"}})).await.code(), 400);
    assert_eq!(post(json!({"os-attach": {"mountpoint": "/dev/vdb", "host_name": "h", "mode": "w"}})).await.code(), 400);
    post(json!({"os-unreserve": {}})).await.expect(202);
    assert_eq!(world.member().volume_status(&volume).await, "available");
}

#[tokio::test]
async fn snapshot_refusals() {
    let world = World::new().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let post = |version: &'static str, body: Value| {
        let client = world.member().at(version);
        async move { client.post("/snapshots", json!({"snapshot": body})).await }
    };
    unchanged(&world, post("3.0", json!({"volume_id": null})), 404, "Volume None could not be found.").await;
    let message = "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, \
                   when the 'force' flag is passed with a value evaluating to True, it is silently ignored.";
    unchanged(&world, post("3.66", json!({"volume_id": volume, "force": false})), 400, message).await;
    world.set_volume(&volume, VolumeStatus::InUse).await;
    let message = format!("Invalid volume: Volume {volume} status must be available, but current status is: in-use.");
    unchanged(&world, post("3.0", json!({"volume_id": volume})), 400, &message).await;
    post("3.66", json!({"volume_id": volume})).await.expect(202);
    let snapshot = client.snapshot(&volume).await;
    let path = format!("/snapshots/{snapshot}");
    let message =
        "Invalid input for field/attribute snapshot. Value: {}. {} is not valid under any of the given schemas";
    unchanged(&world, client.with_owned_put(path.clone(), json!({"snapshot": {}})), 400, message).await;
    let action = format!("{path}/action");
    let message = "Snapshot status: zzz is invalid, valid statuses are: ('error', 'available', 'creating', 'deleting', \
                   'deleted', 'updating', 'error_deleting', 'unmanaging', 'backing-up', 'restoring').";
    let reset = json!({"os-reset_status": {"status": "zzz"}});
    unchanged(&world, world.admin().with_owned(action.clone(), reset), 400, message).await;
    world.set_snapshot(&snapshot, SnapshotStatus::BackingUp).await;
    assert_eq!(client.delete(&path).await.code(), 400);
    client.get("/snapshots/nope").await.refused(404, "Snapshot nope could not be found.");
    world.set_limit(Resource::Snapshots, 1).await;
    let reply = post("3.66", json!({"volume_id": volume})).await;
    reply.refused(413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (1) exceeded");
}

#[tokio::test]
async fn metadata_is_bounded_over_all_requests() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let snapshot = world.member().snapshot(&volume).await;
    for path in [format!("/volumes/{volume}/metadata"), format!("/snapshots/{snapshot}/metadata")] {
        // 300 pairs of 258 bytes.
        let pairs = |from: usize| -> serde_json::Map<String, Value> {
            (from..from + 300).map(|at| (format!("{at:08}"), json!("v".repeat(250)))).collect()
        };
        for from in [0, 1000, 2000, 0] {
            world.member().post(&path, json!({"metadata": pairs(from)})).await.expect(200);
        }
        let before = world.member().get(&path).await.expect(200);
        let refused = world.member().post(&path, json!({"metadata": pairs(3000)})).await;
        let (_, _, message) = refused.fault();
        assert_eq!(refused.code(), 413, "{message}");
        assert!(message.contains("may take 262144 bytes"), "{message}");
        assert_eq!(world.member().get(&path).await.expect(200), before);
        world.member().put(&path, json!({"metadata": pairs(3000)})).await.expect(200);
    }
}
