//! What operators see and switch: services, hosts, backends, filters, clusters, logs (contract §1.9, §1.10).

use db::workers::Worker;
use domain::Timestamp;
use domain::ids::WorkerId;
use domain::placement::{Backend, PoolReport};
use serde_json::{Value, json};

use crate::world::{HOST, OURS, POOL, THEIRS, World, keys};

const BACKEND: &str = "node-1@fast";

/// Two nodes: one with a pool of the tests' volumes and one with a slow pool; each has what goes with it.
pub(crate) async fn with_fleet() -> World {
    let world = World::new().await;
    let now = Timestamp::now();
    let mut tx = world.database.begin("test: fleet").await.expect("begin");
    for (host, pool) in [(HOST, POOL), ("node-2", "slow")] {
        let backend = Backend::of_pool(pool);
        db::services::report(&mut tx, host, "cinder-backup", "nova", now).await.expect("report");
        db::services::report(&mut tx, &backend.service_host(host), "cinder-volume", "nova", now).await.expect("report");
        let pools = vec![PoolReport { name: pool.into(), backend, free_bytes: 1 << 30, total_bytes: 1 << 31 }];
        let worker = Worker {
            id: WorkerId::random(),
            host: host.into(),
            availability_zone: "nova".into(),
            backup_driver: "posix".into(),
            slots: 2,
            pools,
            draining: false,
            heartbeat_at: now,
        };
        db::workers::register(&mut tx, &worker).await.expect("registered");
    }
    tx.commit().await.expect("commit");
    world
}

async fn services(world: &World, query: &str) -> Vec<(String, String)> {
    let list = world.admin().at("3.71").get(&format!("/os-services{query}")).await.expect(200);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let entry = |service: &Value| (text(&service["host"]), text(&service["status"]));
    list["services"].as_array().expect("a list").iter().map(entry).collect()
}

#[tokio::test]
async fn a_host_brings_its_backends_along() {
    let world = with_fleet().await;
    let enabled = |host: &str| (host.to_owned(), "enabled".to_owned());
    assert_eq!(services(&world, "?host=node-1").await, [enabled(HOST), enabled(BACKEND)]);
    assert_eq!(services(&world, "?host=node-1@fast").await, [enabled(BACKEND)]);
    assert_eq!(services(&world, "?host=node").await, []);
    assert_eq!(services(&world, "?binary=cinder-volume&host=node-2").await, [enabled("node-2@slow")]);
}

#[tokio::test]
async fn what_is_frozen_stays_as_it_is() {
    let world = with_fleet().await;
    let client = world.member();
    let volume = client.volume(1).await;
    let snapshot = client.snapshot(&volume).await;
    let admin = world.admin();
    let body = json!({"host": BACKEND});
    assert_eq!(admin.put("/os-services/freeze", body.clone()).await.expect(200), Value::Null);
    let shown = admin.get("/os-services?binary=cinder-volume&host=node-1").await.expect(200)["services"][0].clone();
    assert_eq!(
        (&shown["frozen"], &shown["status"], &shown["disabled_reason"]),
        (&json!(true), &json!("disabled"), &json!("frozen"))
    );
    admin
        .put("/os-services/freeze", body.clone())
        .await
        .refused(400, "Invalid input received: frozen in node-1@fast must be False to failover.");
    let before = world.rows().await;
    let refusal = "Invalid input received: Modification operations are not allowed on frozen storage end points.";
    client.delete(&format!("/volumes/{volume}")).await.refused(400, refusal);
    client.delete(&format!("/snapshots/{snapshot}")).await.refused(400, refusal);
    client.post("/snapshots", json!({"snapshot": {"volume_id": volume}})).await.refused(400, refusal);
    assert_eq!(world.rows().await, before);
    admin.put("/os-services/thaw", body.clone()).await.expect(200);
    client.delete(&format!("/snapshots/{snapshot}")).await.expect(202);
    assert_eq!(admin.put("/os-services/thaw", body).await.code(), 400);
    assert_eq!(services(&world, "?host=node-1@fast").await, [(BACKEND.to_owned(), "enabled".to_owned())]);
    let failover = |version| {
        let admin = admin.at(version);
        async move { admin.put("/os-services/failover", json!({"host": BACKEND})).await }
    };
    failover("3.25").await.refused(400, "Invalid input received: Unknown action");
    let refusal = "Invalid input received: replication_status in node-1@fast must be enabled or failed-over and must be up \
                   to failover.";
    failover("3.26").await.refused(400, refusal);
    admin.put("/os-services/failover_host", json!({"host": BACKEND, "backend_id": "b"})).await.refused(400, refusal);
}

#[tokio::test]
async fn what_no_switch_takes() {
    let world = with_fleet().await;
    let before = world.rows().await;
    let admin = world.admin();
    let unknown = "Invalid input received: Service cinder-volume could not be found on host nohost.";
    for verb in ["freeze", "thaw", "failover_host"] {
        admin.put(&format!("/os-services/{verb}"), json!({"host": "nohost"})).await.refused(400, unknown);
        admin
            .put(&format!("/os-services/{verb}"), json!({}))
            .await
            .refused(400, "Invalid input received: Host field is missing.");
    }
    let both = json!({"host": BACKEND, "cluster": "c"});
    admin
        .at("3.26")
        .put("/os-services/freeze", both)
        .await
        .refused(400, "Invalid input received: One and only one of cluster and host must be set.");
    assert_eq!(admin.at("3.26").put("/os-services/freeze", json!({"cluster": "c"})).await.code(), 400);
    admin.put("/os-services/explode", json!({})).await.refused(400, "Invalid input received: Unknown action");
    let body = json!({"host": BACKEND, "binary": "cinder-volume"});
    assert_eq!(world.member().put("/os-services/disable", body).await.code(), 403);
    assert_eq!(world.member().put("/os-services/freeze", json!({"host": BACKEND})).await.code(), 403);
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn hosts_say_what_lies_on_them() {
    let world = with_fleet().await;
    let volume = world.member().volume(2).await;
    world.member().snapshot(&volume).await;
    world.member().snapshot(&volume).await;
    world.stranger().volume(3).await;
    let admin = world.admin();
    let hosts = admin.get("/os-hosts").await.expect(200)["hosts"].clone();
    assert_eq!(hosts.as_array().expect("a list").len(), 4);
    let expected = ["host_name", "last-update", "service", "service-state", "service-status", "zone"];
    assert_eq!(keys(&hosts[0]), expected);
    assert_eq!(admin.get("/os-hosts?zone=elsewhere").await.expect(200), json!({"hosts": []}));
    let part = |project: &str, numbers: [&str; 4]| {
        let [volumes, volumes_gb, snapshots, snapshots_gb] = numbers;
        json!({"resource": {"host": BACKEND, "project": project, "volume_count": volumes, "total_volume_gb": volumes_gb,
            "snapshot_count": snapshots, "total_snapshot_gb": snapshots_gb}})
    };
    let shown = admin.get(&format!("/os-hosts/{BACKEND}")).await.expect(200);
    let parts =
        [part("(total)", ["2", "5", "2", "4"]), part(OURS, ["1", "2", "2", "4"]), part(THEIRS, ["1", "3", "0", "0"])];
    assert_eq!(shown, json!({"host": parts}));
    let empty = admin.get("/os-hosts/node-2@slow").await.expect(200);
    assert_eq!(
        (empty["host"].as_array().map(Vec::len), &empty["host"][0]["resource"]["volume_count"]),
        (Some(1), &json!("0"))
    );
    admin.get("/os-hosts/nohost").await.refused(404, "Service cinder-volume could not be found on host nohost.");
    let answer = admin.put(&format!("/os-hosts/{BACKEND}"), json!({"status": "disable"})).await.expect(200);
    assert_eq!(answer, json!({"host": BACKEND, "status": "disabled"}));
    assert_eq!(services(&world, "?host=node-1@fast").await[0].1, "disabled");
    assert_eq!(admin.get(&format!("/os-hosts/{BACKEND}")).await.code(), 404);
    admin.put(&format!("/os-hosts/{BACKEND}"), json!({"status": "enable"})).await.expect(200);
    assert_eq!(services(&world, "?host=node-1@fast").await[0].1, "enabled");
    admin.put("/os-hosts/nohost", json!({"status": "enable"})).await.refused(404, "Host nohost could not be found.");
    admin.put("/os-hosts/node-1", json!({"status": "Explode"})).await.refused(400, "Invalid status: 'Explode'");
    admin.put("/os-hosts/node-1", json!({"mode": "x"})).await.refused(400, "Invalid update setting: 'mode'");
    assert_eq!(world.member().get("/os-hosts").await.code(), 403);
    assert_eq!(world.member().get(&format!("/os-hosts/{BACKEND}")).await.code(), 403);
}

#[tokio::test]
async fn backends_say_what_they_can_do() {
    let world = with_fleet().await;
    let admin = world.admin();
    for host in [BACKEND, "node-1@fast#fast", "node-1"] {
        let shown = admin.get(&format!("/capabilities/{}", host.replace('#', "%23"))).await.expect(200);
        assert_eq!(shown["namespace"], "OS::Storage::Capabilities::node-1@fast");
        assert_eq!((&shown["volume_backend_name"], &shown["pool_name"]), (&json!("fast"), &json!("fast")));
        assert_eq!(shown["replication_targets"], json!([]));
    }
    admin.get("/capabilities/nohost").await.refused(404, "Can't find service: nohost");
    assert_eq!(world.member().get(&format!("/capabilities/{BACKEND}")).await.code(), 403);
}

#[tokio::test]
async fn pools_are_chosen_by_name_and_type() {
    let world = with_fleet().await;
    let admin = world.admin();
    let mut tx = world.database.begin("test: type").await.expect("begin");
    let kind = db::types::VolumeType {
        id: "0d4a6b0e-5f6b-4e7f-9d56-f1fb2ce1c001".to_owned(),
        name: "slow-only".to_owned(),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: Timestamp::now(),
        updated_at: None,
    };
    db::types::insert(&mut tx, &kind).await.expect("a type");
    let specs = [("volume_backend_name", "slow"), ("capabilities:multiattach", "<is> True"), ("other:word", "x")];
    let specs = specs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    db::types::extra_specs::merge(&mut tx, &kind.id, &specs).await.expect("specs");
    tx.commit().await.expect("commit");
    let names = |version: &'static str, query: &'static str| {
        let client = admin.at(version);
        async move {
            let pools = client.get(&format!("/scheduler-stats/get_pools{query}")).await.expect(200)["pools"].clone();
            let name = |pool: &Value| pool["name"].as_str().expect("a name").to_owned();
            pools.as_array().expect("a list").iter().map(name).collect::<Vec<_>>()
        }
    };
    let (fast, slow) = ("node-1@fast#fast".to_owned(), "node-2@slow#slow".to_owned());
    let both = vec![fast.clone(), slow.clone()];
    assert_eq!(names("3.0", "?detail=True").await, both);
    assert_eq!(names("3.27", "?name=node-2@slow%23slow").await, both);
    assert_eq!(names("3.28", "?name=node-2@slow%23slow").await, std::slice::from_ref(&slow));
    assert_eq!(names("3.28", "?name=nothing").await, Vec::<String>::new());
    assert_eq!(names("3.34", "?volume_type=slow-only").await, both);
    assert_eq!(names("3.35", "?volume_type=slow-only").await, [slow]);
    assert_eq!(names("3.35", "?volume_type=__DEFAULT__").await, both);
    assert_eq!(names("3.30", "?bogus=1").await, both);
    admin
        .at("3.31")
        .get("/scheduler-stats/get_pools?bogus=1")
        .await
        .refused(400, "Invalid filters bogus are found in query options.");
    admin
        .at("3.35")
        .get("/scheduler-stats/get_pools?volume_type=zz")
        .await
        .refused(404, "Volume type with name zz could not be found.");
    assert_eq!(admin.get("/scheduler-stats/get_pools?detail=zz").await.code(), 400);
}

#[tokio::test]
async fn filters_are_what_the_file_says() {
    let world = World::new().await;
    let client = world.member().at("3.33");
    assert_eq!(world.member().at("3.32").get("/resource_filters").await.code(), 404);
    let all = client.get("/resource_filters").await.expect(200)["resource_filters"].clone();
    let resources: Vec<&str> =
        all.as_array().expect("a list").iter().filter_map(|entry| entry["resource"].as_str()).collect();
    let expected =
        ["volume", "backup", "snapshot", "group", "group_snapshot", "attachment", "message", "pool", "volume_type"];
    assert_eq!(resources, expected);
    let backup = json!([{"resource": "backup", "filters": ["name", "status", "volume_id"]}]);
    assert_eq!(client.get("/resource_filters?resource=backup").await.expect(200)["resource_filters"], backup);
    assert_eq!(client.get("/resource_filters?resource=zz").await.expect(200)["resource_filters"], json!([]));

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("filters.json");
    std::fs::write(&file, r#"{"volume": ["description~", "user_id"]}"#).expect("written");
    let world = World::with(|config| config.resource_query_filters_file = Some(file)).await;
    let client = world.member().at("3.34");
    client.post("/volumes", json!({"volume": {"size": 1, "description": "about x"}})).await.expect(202);
    let count = async |query: &str| {
        client.get(&format!("/volumes?{query}")).await.expect(200)["volumes"].as_array().map(Vec::len)
    };
    assert_eq!(count("description~=bout").await, Some(1));
    assert_eq!(count("description~=zz").await, Some(0));
    assert_eq!(count("user_id=alice").await, Some(1));
    for refused in ["name", "status", "description"] {
        let message = format!("Invalid filters {refused} are found in query options.");
        client.get(&format!("/volumes?{refused}=x")).await.refused(400, &message);
    }
    client.get("/backups?name=x").await.refused(400, "Invalid filters name are found in query options.");
    assert_eq!(client.get("/resource_filters").await.expect(200)["resource_filters"][0]["resource"], "volume");
}

#[tokio::test]
async fn there_are_no_clusters_and_nothing_to_clean_up() {
    let world = World::new().await;
    let admin = world.admin().at("3.24");
    for path in ["/clusters", "/clusters/detail", "/clusters?is_up=True&name=x"] {
        assert_eq!(admin.get(path).await.expect(200), json!({"clusters": []}));
        assert_eq!(world.admin().at("3.6").get(path).await.code(), 404);
    }
    admin.get("/clusters?bogus=1").await.refused(400, "Invalid input received: Invalid filter keys: bogus");
    assert_eq!(admin.get("/clusters?frozen=True").await.code(), 400);
    assert_eq!(admin.at("3.26").get("/clusters?frozen=True").await.code(), 200);
    assert_eq!(admin.get("/clusters?is_up=zz").await.code(), 400);
    admin.get("/clusters/c1").await.refused(404, "Cluster c1 could not be found.");
    admin.put("/clusters/enable", json!({"name": "c1"})).await.refused(404, "Cluster c1 could not be found.");
    let reason = json!({"name": "c1", "disabled_reason": "x"});
    admin.put("/clusters/disable", reason.clone()).await.refused(404, "Cluster c1 could not be found.");
    assert_eq!(admin.put("/clusters/enable", reason).await.code(), 400);
    admin.put("/clusters/zz", json!({"name": "c1"})).await.refused(404, "Unknown action");
    assert_eq!(world.member().at("3.7").get("/clusters").await.code(), 403);
    assert_eq!(admin.at("3.23").post("/workers/cleanup", json!({})).await.code(), 404);
    let nothing = json!({"cleaning": [], "unavailable": []});
    let body = json!({"host": "node-1", "is_up": "False", "resource_type": "Volume"});
    assert_eq!(admin.post("/workers/cleanup", body).await.expect(202), nothing);
    assert_eq!(admin.post("/workers/cleanup", json!({"resource_type": "backup"})).await.code(), 400);
    let pending = json!({"resource_id": "0d4a6b0e-5f6b-4e7f-9d56-f1fb2ce1c001"});
    assert_eq!(admin.post("/workers/cleanup", pending).await.code(), 400);
    assert_eq!(world.member().at("3.24").post("/workers/cleanup", json!({})).await.code(), 403);
}

#[tokio::test]
async fn the_log_is_set_while_it_runs() {
    let config = chassis::telemetry::Config::default();
    let _guard = chassis::telemetry::init("test", &config).expect("a log");
    let world = World::new().await;
    let admin = world.admin().at("3.32");
    world
        .admin()
        .at("3.31")
        .put("/os-services/get-log", json!({}))
        .await
        .refused(400, "Invalid input received: Unknown action");
    let levels = async |body: Value| admin.put("/os-services/get-log", body).await.expect(200)["log_levels"].clone();
    let set = json!({"binary": "*", "prefix": "made_up::part", "level": "debug"});
    assert_eq!(admin.put("/os-services/set-log", set).await.code(), 202);
    let shown = levels(json!({"binary": "cinder-api", "prefix": "made_up"})).await;
    assert_eq!(shown[0]["levels"], json!({"made_up::part": "DEBUG"}));
    assert_eq!((&shown[0]["binary"], shown.as_array().map(Vec::len)), (&json!("cinder-api"), Some(1)));
    assert!(tracing::enabled!(target: "made_up::part", tracing::Level::DEBUG));
    assert_eq!(admin.put("/os-services/set-log", json!({"prefix": "made_up", "level": "ERROR"})).await.code(), 202);
    assert_eq!(levels(json!({"prefix": "made_up"})).await[0]["levels"], json!({"made_up": "ERROR"}));
    // Another process is not this one.
    assert_eq!(levels(json!({"binary": "cinder-volume"})).await, json!([]));
    assert_eq!(levels(json!({"server": "elsewhere"})).await, json!([]));
    let bad = json!({"binary": "*", "level": "loud"});
    admin.put("/os-services/set-log", bad).await.refused(400, "Invalid input received: loud is not a valid log level.");
    assert_eq!(admin.put("/os-services/set-log", json!({"prefix": "a=b", "level": "info"})).await.code(), 400);
    assert_eq!(admin.put("/os-services/get-log", json!({"binary": "bogus"})).await.code(), 400);
    let body = json!({"level": "info"});
    assert_eq!(world.member().at("3.32").put("/os-services/set-log", body).await.code(), 403);
}
