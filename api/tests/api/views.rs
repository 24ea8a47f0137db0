//! Exact key sets per microversion: test suites refuse a key too many (contract §1.5.2, §1.6.2, §1.7).

use domain::job::Ending;
use serde_json::{Value, json};

use crate::world::{OURS, World, keys, text};

const BACKUP: [&str; 17] = [
    "availability_zone",
    "container",
    "created_at",
    "data_timestamp",
    "description",
    "fail_reason",
    "has_dependent_backups",
    "id",
    "is_incremental",
    "links",
    "name",
    "object_count",
    "size",
    "snapshot_id",
    "status",
    "updated_at",
    "volume_id",
];
const VOLUME: [&str; 20] = [
    "attachments",
    "availability_zone",
    "bootable",
    "consistencygroup_id",
    "created_at",
    "description",
    "encrypted",
    "id",
    "links",
    "metadata",
    "multiattach",
    "name",
    "replication_status",
    "size",
    "snapshot_id",
    "source_volid",
    "status",
    "updated_at",
    "user_id",
    "volume_type",
];
const SNAPSHOT: [&str; 9] =
    ["created_at", "description", "id", "metadata", "name", "size", "status", "updated_at", "volume_id"];

fn set(base: &[&str], more: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = base.iter().chain(more).map(|key| (*key).to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn backups() {
    let world = World::new().await;
    let volume = world.member().volume(2).await;
    let body = json!({"backup": {"volume_id": volume, "name": " n1 ", "description": "dd", "metadata": {"m": "1"}}});
    let created = world.member().at("3.64").post("/backups", body).await.expect(202);
    assert_eq!(keys(&created), ["backup"]);
    assert_eq!(keys(&created["backup"]), ["id", "links", "name"]);
    assert_eq!(created["backup"]["name"], "n1");
    let path = format!("/backups/{}", text(&created["backup"]["id"]));
    let project = "os-backup-project-attr:project_id";
    for (version, member, admin) in [
        ("3.0", vec![], vec![]),
        ("3.17", vec![], vec![]),
        ("3.18", vec![], vec![project]),
        ("3.43", vec!["metadata"], vec![project]),
        ("3.56", vec!["metadata"], vec![project, "user_id"]),
        ("3.71", vec!["metadata"], vec![project, "user_id"]),
    ] {
        for path in [path.as_str(), "/backups/detail"] {
            let shown = |reply: Value| match reply.get("backup") {
                Some(backup) => backup.clone(),
                None => reply["backups"][0].clone(),
            };
            let view = shown(world.member().at(version).get(path).await.expect(200));
            assert_eq!(keys(&view), set(&BACKUP, &member), "{version} {path}");
            let view = shown(world.admin().at(version).get(path).await.expect(200));
            assert_eq!(keys(&view), set(&BACKUP, &[member.clone(), admin.clone()].concat()), "{version} {path}");
        }
    }
    let view = world.admin().at("3.64").get(&path).await.expect(200)["backup"].clone();
    let expected = json!({"id": created["backup"]["id"], "status": "creating", "size": 2, "object_count": 0,
        "availability_zone": null, "container": null, "created_at": view["created_at"], "updated_at": null,
        "name": "n1", "description": "dd", "fail_reason": null, "volume_id": volume, "links": created["backup"]["links"],
        "is_incremental": false, "has_dependent_backups": false, "snapshot_id": null,
        "data_timestamp": view["created_at"], "metadata": {"m": "1"}, project: OURS, "user_id": "alice"});
    assert_eq!(view, expected);
    assert_eq!(text(&view["created_at"]).len(), "2026-11-22T14:29:36.485793".len());
    let list = world.member().get("/backups").await.expect(200);
    assert_eq!(list, json!({"backups": [created["backup"]]}));
}

#[tokio::test]
async fn volumes() {
    let world = World::new().await;
    let body = json!({"volume": {"size": 1, "name": "v", "metadata": {"a": "b"}, "bogus": 1}});
    let created = world.member().post("/volumes", body).await.expect(202);
    assert_eq!(keys(&created["volume"]), set(&VOLUME, &[]));
    assert_eq!(created["volume"]["bootable"], "false");
    assert_eq!(created["volume"]["volume_type"], "__DEFAULT__");
    assert_eq!(created["volume"]["metadata"], json!({"a": "b"}));
    world.finish_jobs(Ending::Succeeded).await;
    let path = format!("/volumes/{}", text(&created["volume"]["id"]));
    let attributes = [
        "os-vol-host-attr:host",
        "os-vol-mig-status-attr:migstat",
        "os-vol-mig-status-attr:name_id",
        "migration_status",
    ];
    let mut everybodys = vec!["os-vol-tenant-attr:tenant_id"];
    let mut admins = attributes.to_vec();
    for (version, member, admin) in [
        ("3.0", vec![], vec![]),
        ("3.13", vec!["group_id"], vec![]),
        ("3.21", vec![], vec!["provider_id"]),
        ("3.48", vec!["shared_targets", "service_uuid"], vec![]),
        ("3.61", vec![], vec!["cluster_name"]),
        ("3.63", vec!["volume_type_id"], vec![]),
        ("3.65", vec!["consumes_quota"], vec![]),
        ("3.71", vec![], vec![]),
    ] {
        everybodys.extend(member);
        admins.extend(admin);
        let view = world.member().at(version).get(&path).await.expect(200);
        assert_eq!(keys(&view["volume"]), set(&VOLUME, &everybodys), "{version}");
        let view = world.admin().at(version).get("/volumes/detail").await.expect(200);
        assert_eq!(
            keys(&view["volumes"][0]),
            set(&VOLUME, &[everybodys.clone(), admins.clone()].concat()),
            "{version}"
        );
    }
    let view = world.admin().get(&path).await.expect(200);
    assert_eq!(view["volume"]["os-vol-host-attr:host"], "node-1@fast#fast");
    let list = world.member().get("/volumes").await.expect(200);
    assert_eq!(keys(&list["volumes"][0]), ["id", "links", "name"]);
}

#[tokio::test]
async fn snapshots() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let body = json!({"snapshot": {"volume_id": volume, "name": "s", "metadata": {"a": "b"}}});
    let created = world.member().at("3.65").post("/snapshots", body).await.expect(202);
    let newer = ["group_snapshot_id", "user_id", "consumes_quota"];
    assert_eq!(keys(&created["snapshot"]), set(&SNAPSHOT, &newer));
    let path = format!("/snapshots/{}", text(&created["snapshot"]["id"]));
    let attributes = ["os-extended-snapshot-attributes:progress", "os-extended-snapshot-attributes:project_id"];
    for (version, count) in [("3.0", 0), ("3.14", 1), ("3.41", 2), ("3.65", 3)] {
        let expected = set(&SNAPSHOT, &[&newer[..count], &attributes].concat());
        let client = world.member().at(version);
        assert_eq!(keys(&client.get(&path).await.expect(200)["snapshot"]), expected, "{version}");
        assert_eq!(keys(&client.get("/snapshots/detail").await.expect(200)["snapshots"][0]), expected, "{version}");
        assert_eq!(keys(&client.get("/snapshots").await.expect(200)["snapshots"][0]), set(&SNAPSHOT, &[]), "{version}");
        let updated = client.put(&path, json!({"snapshot": {"name": "t"}})).await.expect(200);
        assert_eq!(keys(&updated["snapshot"]), set(&SNAPSHOT, &newer[..count]), "{version}");
    }
}

#[tokio::test]
async fn attachments_and_metadata_of_a_volume() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let action = format!("/volumes/{volume}/action");
    let server = "11111111-2222-4333-8444-555555555555";
    let attach =
        json!({"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdb", "host_name": "h1", "mode": "ro"}});
    world.member().post(&action, attach).await.expect(202);
    let view = world.member().get(&format!("/volumes/{volume}")).await.expect(200)["volume"].clone();
    assert_eq!(view["status"], "in-use");
    let attachment = &view["attachments"][0];
    assert_eq!(
        keys(attachment),
        ["attached_at", "attachment_id", "device", "host_name", "id", "server_id", "volume_id"]
    );
    assert_eq!((&attachment["id"], &attachment["host_name"]), (&json!(volume), &Value::Null));
    let seen = world.admin().get(&format!("/volumes/{volume}")).await.expect(200);
    assert_eq!(seen["volume"]["attachments"][0]["host_name"], "h1");
    world.member().post(&action, json!({"os-detach": {}})).await.expect(202);
    assert_eq!(world.member().volume_status(&volume).await, "available");

    let path = format!("/volumes/{volume}/metadata");
    let client = world.member().at("3.15");
    assert_eq!(client.post(&path, json!({"metadata": {"a": "1"}})).await.expect(200), json!({"metadata": {"a": "1"}}));
    let etag = client.get(&path).await.header("etag").expect("a tag").to_owned();
    assert_eq!(etag.len(), 32);
    assert_eq!(world.member().get(&path).await.header("etag"), None);
    client.post(&path, json!({"metadata": {"b": "2"}})).await.expect(200);
    let stale =
        client.request(http::Method::PUT, &path).header("if-match", &etag).header("content-type", "application/json");
    let stale = world.send(stale.body(r#"{"metadata": {}}"#.into()).expect("a request")).await;
    assert_eq!((stale.code(), stale.text.as_str()), (412, ""));
    assert_eq!(client.get(&format!("{path}/b")).await.expect(200), json!({"meta": {"b": "2"}}));
    assert_eq!(
        client.put(&format!("{path}/b"), json!({"meta": {"b": "3"}})).await.expect(200),
        json!({"meta": {"b": "3"}})
    );
    client.put(&format!("{path}/b"), json!({"meta": {"c": "3"}})).await.refused(400, "Request body and URI mismatch");
    let missing = format!("Volume {volume} has no metadata with key x2.");
    client.get(&format!("{path}/x2")).await.refused(404, &missing);
    client.delete(&format!("{path}/x2")).await.refused(404, &missing);
    client.delete(&format!("{path}/b")).await.expect(200);
    assert_eq!(client.put(&path, json!({"metadata": {"z": "9"}})).await.expect(200), json!({"metadata": {"z": "9"}}));
}

#[tokio::test]
async fn quotas_and_limits() {
    let world = World::new().await;
    let volume = world.member().volume(3).await;
    world.member().backup(&volume).await;
    let absolute = world.member().get("/limits").await.expect(200)["limits"]["absolute"].clone();
    let expected = json!({"maxTotalVolumes": 10, "maxTotalSnapshots": 10, "maxTotalVolumeGigabytes": 1000,
        "maxTotalBackups": 10, "maxTotalBackupGigabytes": 1000, "totalVolumesUsed": 1, "totalGigabytesUsed": 3,
        "totalSnapshotsUsed": 0, "totalBackupsUsed": 1, "totalBackupGigabytesUsed": 3});
    assert_eq!(absolute, expected);
    let path = format!("/os-quota-sets/{OURS}");
    let set = world.member().get(&format!("{path}?usage=False")).await.expect(200)["quota_set"].clone();
    assert_eq!(
        set,
        json!({"backup_gigabytes": 1000, "backups": 10, "gigabytes": 1000, "snapshots": 10, "volumes": 10,
        "per_volume_gigabytes": -1, "groups": 10, "volumes___DEFAULT__": -1, "gigabytes___DEFAULT__": -1,
        "snapshots___DEFAULT__": -1, "id": OURS})
    );
    let used = world.member().get(&format!("{path}?usage=True")).await.expect(200)["quota_set"]["gigabytes"].clone();
    assert_eq!(used, json!({"limit": 1000, "in_use": 3, "reserved": 0}));
    let put = |set: Value| world.admin().with_owned_put(path.clone(), json!({"quota_set": set}));
    let updated = put(json!({"backups": 3, "tenant_id": OURS})).await.expect(200);
    assert_eq!((&updated["quota_set"]["backups"], updated["quota_set"].get("id")), (&json!(3), None));
    assert_eq!(world.member().get(&format!("{path}/defaults")).await.expect(200)["quota_set"]["backups"], 10);
    let message = "Quota backups limit must be equal or greater than existing resources. Current usage is 1 and the requested \
                   limit is 0.";
    put(json!({"backups": 0})).await.refused(400, message);
    put(json!({"bogus": 1})).await.refused(400, "Invalid input received: Bad key(s) in quota set: bogus");
    assert_eq!(put(json!({"backups": "x"})).await.code(), 400);
    assert_eq!(world.member().put(&path, json!({"quota_set": {"backups": 99}})).await.code(), 403);
    assert_eq!(world.stranger().get(&path).await.code(), 403);
}

#[tokio::test]
async fn services_are_listed_and_switched() {
    let world = World::new().await;
    let now = domain::Timestamp::now();
    let mut tx = world.database.begin("test: services").await.expect("begin");
    db::services::report(&mut tx, "node-1", "cinder-backup", "nova", now).await.expect("report");
    db::services::report(&mut tx, "node-1@fast", "cinder-volume", "nova", now.minus_secs(120)).await.expect("report");
    tx.commit().await.expect("commit");
    let base = ["binary", "disabled_reason", "host", "state", "status", "updated_at", "zone"];
    let of = |binary: &'static str, version: &'static str| {
        let world = &world;
        async move {
            let list = world.admin().at(version).get(&format!("/os-services?binary={binary}")).await.expect(200);
            list["services"][0].clone()
        }
    };
    let backup = of("cinder-backup", "3.0").await;
    assert_eq!(keys(&backup), base);
    assert_eq!((&backup["state"], &backup["status"]), (&json!("up"), &json!("enabled")));
    assert_eq!(keys(&of("cinder-backup", "3.49").await), set(&base, &["cluster"]));
    let volume = of("cinder-volume", "3.49").await;
    let more = ["cluster", "backend_state", "replication_status", "active_backend_id", "frozen"];
    assert_eq!(keys(&volume), set(&base, &more));
    assert_eq!(volume["state"], "down");
    let body = json!({"host": "node-1", "binary": "cinder-backup", "disabled_reason": "repair"});
    let answer = world.admin().put("/os-services/disable-log-reason", body).await.expect(200);
    assert_eq!(
        answer,
        json!({"host": "node-1", "service": "cinder-backup", "binary": "cinder-backup", "status": "disabled",
        "disabled": true, "disabled_reason": "repair"})
    );
    let backup = of("cinder-backup", "3.0").await;
    assert_eq!((&backup["status"], &backup["disabled_reason"]), (&json!("disabled"), &json!("repair")));
    let unknown = json!({"host": "nohost", "binary": "cinder-backup"});
    let message = "Service cinder-backup could not be found on host nohost.";
    world.admin().put("/os-services/enable", unknown.clone()).await.refused(404, message);
    assert_eq!(world.admin().put("/os-services/disable-log-reason", unknown).await.code(), 400);
    let body = json!({"host": "node-1", "binary": "cinder-backup"});
    world.admin().put("/os-services/enable", body).await.expect(200);
    assert_eq!(of("cinder-backup", "3.0").await["status"], "enabled");
}
