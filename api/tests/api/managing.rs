//! Taking files into management and letting them go; looking for what could be taken.

use std::collections::BTreeMap;

use db::pool_files::{self, PoolFile};
use domain::job::{Ending, Subject};
use domain::snapshot::SnapshotStatus;
use serde_json::{Value, json};

use crate::world::{HOST, POOL, World, keys, text};

async fn tell(world: &World, files: Vec<PoolFile>) {
    let files: BTreeMap<_, _> = files.into_iter().map(|file| (file.name.clone(), file)).collect();
    let mut tx = world.database.begin("test: files").await.expect("begin");
    pool_files::replace(&mut tx, POOL, &files).await.expect("told");
    tx.commit().await.expect("commit");
}

fn file(name: &str, size_bytes: i64) -> PoolFile {
    PoolFile { name: name.to_owned(), is_snapshot: name.starts_with("snapshot-"), size_bytes, refusal: None }
}

#[tokio::test]
async fn what_a_pool_holds_is_listed_with_who_has_it() {
    const NOBODY: &str = "11111111-1111-4111-8111-111111111111";
    let world = World::new().await;
    world.register_worker().await;
    let admin = world.admin().at("3.8");
    let volume = world.member().volume(1).await;
    let snapshot = world.member().snapshot(&volume).await;
    let refused = PoolFile { refusal: Some("several names".to_owned()), ..file("/srv/disk.raw", 1) };
    let files = vec![
        file(&format!("volume-{volume}"), 1 << 30),
        file(&format!("volume-{NOBODY}"), (2 << 30) + 1),
        file(&format!("snapshot-{snapshot}"), 1 << 30),
        file(&format!("snapshot-{NOBODY}"), 1 << 30),
        refused,
    ];
    tell(&world, files).await;

    let path = format!("/manageable_volumes/detail?host={HOST}@{POOL}%23{POOL}&sort=reference:asc");
    let list = admin.get(&path).await.expect(200)["manageable-volumes"].clone();
    let brief = |entry: &Value| {
        let size = entry["size"].as_i64().expect("a size");
        (text(&entry["reference"]["source-name"]), size, entry["reason_not_safe"].clone(), entry["cinder_id"].clone())
    };
    let seen: Vec<_> = list.as_array().expect("a list").iter().map(brief).collect();
    let mut expected = vec![
        ("/srv/disk.raw".to_owned(), 1, json!("several names"), Value::Null),
        (format!("volume-{NOBODY}"), 3, Value::Null, Value::Null),
        (format!("volume-{volume}"), 1, json!("already managed"), json!(volume)),
    ];
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(seen, expected);
    for entry in list.as_array().expect("a list") {
        assert_eq!(entry["safe_to_manage"], json!(entry["reason_not_safe"].is_null()));
    }
    let short = admin.get(&format!("/os-volume-manage?host={HOST}@{POOL}&limit=1")).await.expect(200);
    assert_eq!(keys(&short["manageable-volumes"][0]), ["reference", "safe_to_manage", "size"]);

    let list = admin.get(&format!("/os-snapshot-manage/detail?host={POOL}")).await.expect(200);
    let list = list["manageable-snapshots"].as_array().expect("a list").clone();
    assert_eq!(list.len(), 2);
    for entry in list {
        let managed = entry["cinder_id"] == json!(snapshot);
        let source = if managed { json!({"source-name": format!("volume-{volume}")}) } else { json!({}) };
        assert_eq!((&entry["source_reference"], &entry["safe_to_manage"]), (&source, &json!(!managed)));
    }
}

#[tokio::test]
async fn lists_of_what_could_be_managed_page() {
    let world = World::new().await;
    world.register_worker().await;
    let admin = world.admin().at("3.17");
    tell(&world, (1..=5).map(|at| file(&format!("disk-{at}"), at << 30)).collect()).await;
    let names = |list: &Value| -> Vec<String> {
        let list = list["manageable-volumes"].as_array().expect("a list");
        list.iter().map(|entry| text(&entry["reference"]["source-name"])).collect()
    };
    let base = format!("/manageable_volumes?host={POOL}");
    let page = admin.get(&format!("{base}&sort=size:desc&limit=2&offset=1")).await.expect(200);
    assert_eq!(names(&page), ["disk-4", "disk-3"]);
    let marker = "marker=%7B%22source-name%22%3A%20%22disk-3%22%7D";
    let page = admin.get(&format!("{base}&sort_key=reference&sort_dir=asc&{marker}")).await.expect(200);
    assert_eq!(names(&page), ["disk-4", "disk-5"]);
    for (query, message) in [
        ("&sort=name:asc", "Invalid sort keys passed: name"),
        ("&sort=size:up", "Invalid sort dirs passed: up"),
        ("&limit=-1", "limit param must be positive"),
        ("&marker=x", "Invalid input received: marker x can not be analysed, please use json like format"),
        ("&cluster=c", "Invalid input received: One and only one of cluster and host must be set."),
    ] {
        admin.get(&format!("{base}{query}")).await.refused(400, message);
    }
    admin.get("/manageable_volumes?cluster=c").await.refused(404, "Cluster c could not be found.");
    let message = "Invalid input received: Host field is missing.";
    admin.at("3.8").get("/manageable_volumes?cluster=c").await.refused(400, message);
    let message = "Service cinder-volume could not be found on host nohost.";
    admin.get("/manageable_snapshots?host=nohost").await.refused(404, message);
    admin.at("3.7").get(&base).await.expect(404);
    let rule = "Policy doesn't allow volume_extension:list_manageable to be performed.";
    world.member().get(&format!("/os-volume-manage?host={POOL}")).await.refused(403, rule);
    let rule = "Policy doesn't allow snapshot_extension:list_manageable to be performed.";
    world.member().at("3.8").get(&format!("/manageable_snapshots/detail?host={POOL}")).await.refused(403, rule);
}

#[tokio::test]
async fn a_snapshot_is_let_go_and_taken_back() {
    let world = World::new().await;
    let admin = world.admin();
    let volume = world.member().volume(1).await;
    let snapshot = world.member().snapshot(&volume).await;
    let action = format!("/snapshots/{snapshot}/action");
    let rule = "Policy doesn't allow snapshot_extension:snapshot_unmanage to be performed.";
    world.member().post(&action, json!({"os-unmanage": null})).await.refused(403, rule);
    admin.post(&action, json!({"os-unmanage": null})).await.expect(202);
    assert!(matches!(world.jobs().await[0].subject, Subject::SnapshotDelete { keep_data: true, .. }));
    let shown = admin.get(&format!("/snapshots/{snapshot}")).await.expect(200);
    assert_eq!(shown["snapshot"]["status"], "unmanaging");
    assert_eq!(admin.post(&action, json!({"os-unmanage": null})).await.code(), 400);
    world.finish_jobs(Ending::Succeeded).await;
    admin.get(&format!("/snapshots/{snapshot}")).await.expect(404);

    let source = format!("snapshot-{snapshot}");
    let metadata = json!({"k": "v"});
    let body =
        json!({"snapshot": {"volume_id": volume, "ref": {"source-name": source}, "name": "n", "metadata": metadata}});
    let rule = "Policy doesn't allow snapshot_extension:snapshot_manage to be performed.";
    world.member().post("/os-snapshot-manage", body.clone()).await.refused(403, rule);
    admin.at("3.7").post("/manageable_snapshots", body.clone()).await.expect(404);
    for path in ["/os-snapshot-manage", "/manageable_snapshots"] {
        let made = admin.at("3.8").post(path, body.clone()).await.expect(202)["snapshot"].clone();
        assert_eq!((&made["status"], &made["name"], &made["metadata"]), (&json!("creating"), &json!("n"), &metadata));
        assert_eq!((&made["size"], &made["volume_id"]), (&json!(1), &json!(volume)));
    }
    let jobs = world.jobs().await;
    assert!(jobs.iter().all(|job| matches!(&job.subject, Subject::SnapshotManage { source: s, .. } if *s == source)));
    let before = world.rows().await;
    let nobody = "11111111-1111-4111-8111-111111111111";
    let bodies = [
        (json!({"volume_id": nobody, "ref": {"source-name": "x"}}), 404),
        (json!({"volume_id": volume}), 400),
        (json!({"volume_id": volume, "ref": "x"}), 400),
        (json!({"volume_id": volume, "ref": {"source-name": "x"}, "bogus": 1}), 400),
    ];
    for (body, code) in bodies {
        assert_eq!(admin.post("/os-snapshot-manage", json!({"snapshot": body})).await.code(), code);
    }
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn whoever_makes_a_snapshot_tells_how_far_it_is() {
    let world = World::new().await;
    let member = world.member();
    let snapshot = member.snapshot(&member.volume(1).await).await;
    let path = format!("/snapshots/{snapshot}");
    let tell = async |status: &str, progress: Value| {
        let body = json!({"os-update_snapshot_status": {"status": status, "progress": progress}});
        member.post(&format!("{path}/action"), body).await
    };
    let message = "Snapshot status available not allowed for update_snapshot_status";
    tell("error", json!("80%")).await.refused(400, message);
    world.set_snapshot(&snapshot, SnapshotStatus::Creating).await;
    for status in ["deleting", "bogus"] {
        let message = format!("Provided snapshot status {status} not allowed for snapshot with status creating.");
        tell(status, json!("80%")).await.refused(400, &message);
    }
    let message = "Invalid input received: progress must be an integer percentage between 0 and 100";
    for progress in [json!("101%"), json!("80"), json!("x%"), json!(8)] {
        tell("error", progress).await.refused(400, message);
    }
    tell("error", json!("80%")).await.expect(202);
    let shown = member.get(&path).await.expect(200)["snapshot"].clone();
    assert_eq!(
        (&shown["status"], &shown["os-extended-snapshot-attributes:progress"]),
        (&json!("error"), &json!("80%"))
    );
    world
        .stranger()
        .post(&format!("{path}/action"), json!({"os-update_snapshot_status": {"status": "error"}}))
        .await
        .expect(404);
}
