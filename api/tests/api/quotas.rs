//! Quota sets, quota classes and limits as clients set, read and hit them (contract §1.9, §2.8).

use serde_json::{Value, json};

use crate::world::{Client, OURS, THEIRS, World, keys, text};

const GOLD: &str = "gold";

async fn with_gold() -> World {
    let world = World::new().await;
    let mut tx = world.database.begin("test: gold").await.expect("begin");
    let kind = db::types::VolumeType {
        id: "0d4a6b0e-5f6b-4e7f-9d56-f1fb2ce1c001".to_owned(),
        name: GOLD.to_owned(),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: domain::Timestamp::now(),
        updated_at: None,
    };
    db::types::insert(&mut tx, &kind).await.expect("a type");
    tx.commit().await.expect("commit");
    world
}

fn path(project: &str) -> String {
    format!("/os-quota-sets/{project}")
}

async fn set(client: Client<'_>, changes: Value) -> Value {
    client.put(&path(OURS), json!({"quota_set": changes})).await.expect(200)["quota_set"].clone()
}

async fn in_use(world: &World, project: &str, name: &str) -> i64 {
    let set = world.admin().get(&format!("{}?usage=True", path(project))).await.expect(200);
    set["quota_set"][name]["in_use"].as_i64().expect("a number")
}

#[tokio::test]
async fn every_type_brings_its_limits_along() {
    let world = with_gold().await;
    let shown = world.admin().get(&path(OURS)).await.expect(200)["quota_set"].clone();
    let mut expected: Vec<String> = ["volumes", "gigabytes", "snapshots"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("{name}_{GOLD}"), format!("{name}___DEFAULT__")])
        .collect();
    expected.extend(["per_volume_gigabytes", "backups", "backup_gigabytes", "groups", "id"].map(str::to_owned));
    expected.sort();
    assert_eq!(keys(&shown), expected);
    let updated = set(world.admin(), json!({"volumes_gold": 1, "groups": 3, "per_volume_gigabytes": "7"})).await;
    assert_eq!((&updated["volumes_gold"], &updated["groups"]), (&json!(1), &json!(3)));
    assert_eq!((&updated["per_volume_gigabytes"], updated.get("id")), (&json!(7), None));
    let used = world.member().get(&format!("{}?usage=True", path(OURS))).await.expect(200);
    assert_eq!(used["quota_set"]["volumes_gold"], json!({"limit": 1, "in_use": 0, "reserved": 0}));
    // Another project has the defaults.
    let theirs = world.admin().get(&path(THEIRS)).await.expect(200)["quota_set"].clone();
    assert_eq!((&theirs["volumes_gold"], &theirs["id"]), (&json!(-1), &json!(THEIRS)));
    world
        .admin()
        .get(&format!("{}?usage=zz", path(OURS)))
        .await
        .refused(400, "Value 'zz' for 'usage' is not a boolean.");
}

#[tokio::test]
async fn volumes_count_for_their_type_too() {
    let world = with_gold().await;
    let client = world.member();
    set(world.admin(), json!({"volumes_gold": 2, "gigabytes_gold": 6, "snapshots_gold": 1})).await;
    let gold = |size: i64| json!({"volume": {"size": size, "volume_type": GOLD}});
    let volume = text(&client.post("/volumes", gold(2)).await.expect(202)["volume"]["id"]);
    client.volume(5).await;
    let snapshot = client.snapshot(&volume).await;
    let counts = ["volumes", "volumes_gold", "gigabytes", "gigabytes_gold", "snapshots", "snapshots_gold"];
    let mut seen = Vec::new();
    for name in counts {
        seen.push(in_use(&world, OURS, name).await);
    }
    assert_eq!(seen, [2, 1, 9, 4, 1, 1]);
    client
        .post("/snapshots", json!({"snapshot": {"volume_id": volume}}))
        .await
        .refused(413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (1) exceeded");
    let over = "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_gold quota. \
                Requested 3G, quota is 6G and 4G has been consumed.";
    client.post("/volumes", gold(3)).await.refused(413, over);
    client.post(&format!("/volumes/{volume}/action"), json!({"os-extend": {"new_size": 5}})).await.refused(413, over);
    client.post("/volumes", gold(1)).await.expect(202);
    set(world.admin(), json!({"gigabytes_gold": -1})).await;
    client
        .post("/volumes", gold(1))
        .await
        .refused(413, "VolumeLimitExceeded: Maximum number of volumes allowed (2) exceeded for quota 'volumes_gold'.");
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    client.delete(&format!("/snapshots/{snapshot}")).await.expect(202);
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    client.delete(&format!("/volumes/{volume}")).await.expect(202);
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    let mut seen = Vec::new();
    for name in counts {
        seen.push(in_use(&world, OURS, name).await);
    }
    assert_eq!(seen, [2, 1, 6, 1, 0, 0]);
}

#[tokio::test]
async fn one_volume_can_be_too_large() {
    let world = World::new().await;
    let client = world.member();
    set(world.admin(), json!({"per_volume_gigabytes": 3, "gigabytes": 3})).await;
    let message = "VolumeSizeExceedsLimit: Requested volume size 4G is larger than maximum allowed limit 3G.";
    let reply = client.post("/volumes", json!({"volume": {"size": 4}})).await;
    reply.refused(413, message);
    assert_eq!((reply.header("retry-after"), &reply.json()["overLimit"]["retryAfter"]), (Some("0"), &json!("0")));
    let volume = client.volume(3).await;
    client
        .post(&format!("/volumes/{volume}/action"), json!({"os-extend": {"new_size": 4}}))
        .await
        .refused(413, message);
    assert_eq!(client.volume_status(&volume).await, "available");
}

#[tokio::test]
async fn the_default_class_is_every_projects() {
    let world = with_gold().await;
    let class = "/os-quota-class-sets/default";
    let shown = world.admin().get(class).await.expect(200)["quota_class_set"].clone();
    assert_eq!((&shown["id"], &shown["volumes"], &shown["groups"]), (&json!("default"), &json!(10), &json!(10)));
    let changes = json!({"volumes": 1, "snapshots_gold": 4, "per_volume_gigabytes": -1});
    let updated = world.admin().put(class, json!({"quota_class_set": changes})).await.expect(200);
    let updated = &updated["quota_class_set"];
    assert_eq!((&updated["volumes"], &updated["snapshots_gold"], updated.get("id")), (&json!(1), &json!(4), None));
    for project in [OURS, THEIRS] {
        let defaults = world.admin().get(&format!("{}/defaults", path(project))).await.expect(200);
        assert_eq!((&defaults["quota_set"]["volumes"], &defaults["quota_set"]["id"]), (&json!(1), &json!(project)));
        assert_eq!(world.admin().get(&path(project)).await.expect(200)["quota_set"]["snapshots_gold"], 4);
    }
    let volume = json!({"volume": {"size": 1}});
    world.stranger().post("/volumes", volume.clone()).await.expect(202);
    let refusal = "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.";
    world.stranger().post("/volumes", volume.clone()).await.refused(413, refusal);
    assert_eq!(world.member().get("/limits").await.expect(200)["limits"]["absolute"]["maxTotalVolumes"], 1);
    // A limit of its own wins, until it is deleted.
    set(world.admin(), json!({"volumes": 2})).await;
    assert_eq!(world.admin().get(&path(OURS)).await.expect(200)["quota_set"]["volumes"], 2);
    assert_eq!(world.admin().delete(&path(OURS)).await.expect(200), Value::Null);
    assert_eq!(world.admin().get(&path(OURS)).await.expect(200)["quota_set"]["volumes"], 1);
    // Another class changes nothing for anybody.
    let other = json!({"quota_class_set": {"volumes": 77}});
    world.admin().put("/os-quota-class-sets/gold", other).await.expect(200);
    assert_eq!(world.admin().get("/os-quota-class-sets/gold").await.expect(200)["quota_class_set"]["volumes"], 77);
    assert_eq!(world.admin().get(&path(OURS)).await.expect(200)["quota_set"]["volumes"], 1);
}

#[tokio::test]
async fn what_no_limit_can_be() {
    let world = with_gold().await;
    let volume = world.member().volume(3).await;
    world.member().snapshot(&volume).await;
    let before = world.rows().await;
    let put = |changes: Value| world.admin().with_owned_put(path(OURS), json!({"quota_set": changes}));
    let below = "Quota gigabytes limit must be equal or greater than existing resources. Current usage is 6 and the \
                 requested limit is 5.";
    put(json!({"backups": 3, "gigabytes": 5})).await.refused(400, below);
    put(json!({"a": 1, "volumes": 5, "b": 2}))
        .await
        .refused(400, "Invalid input received: Bad key(s) in quota set: a, b");
    put(json!({"volumes": "x"})).await.refused(400, "volumes must be an integer");
    put(json!({"volumes": true})).await.refused(400, "volumes must be an integer");
    put(json!({"volumes": -2})).await.refused(400, "volumes must be >= -1");
    put(json!({"volumes": 2_147_483_648_i64})).await.refused(400, "volumes must be <= 2147483647");
    assert_eq!(put(json!({})).await.code(), 400);
    let long = "x".repeat(256);
    world
        .admin()
        .put(&path(&long), json!({"quota_set": {"volumes": 5}}))
        .await
        .refused(400, "quota_set_name has 256 characters, more than 255.");
    let class = |changes: Value| {
        world.admin().with_owned_put("/os-quota-class-sets/default".into(), json!({"quota_class_set": changes}))
    };
    class(json!({"bogus": 1})).await.refused(400, "Invalid input received: Bad key(s) in quota class set: bogus");
    for bad in [json!({"volumes": "x"}), json!({"volumes": -2}), json!({"volumes": null}), json!([])] {
        assert_eq!(class(bad.clone()).await.code(), 400, "{bad}");
    }
    for member in [world.member(), world.stranger()] {
        let body = json!({"quota_set": {"volumes": 99}});
        assert_eq!(member.put(&path(OURS), body).await.code(), 403);
        assert_eq!(member.delete(&path(OURS)).await.code(), 403);
        assert_eq!(member.get("/os-quota-class-sets/default").await.code(), 403);
        let body = json!({"quota_class_set": {"volumes": 99}});
        assert_eq!(member.put("/os-quota-class-sets/default", body).await.code(), 403);
    }
    assert_eq!(world.stranger().get(&path(OURS)).await.code(), 403);
    assert_eq!(world.stranger().get(&format!("{}/defaults", path(OURS))).await.code(), 403);
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn an_administrator_asks_for_anothers_limits() {
    let world = World::new().await;
    world.stranger().volume(3).await;
    let used = async |client: Client<'_>, path: &str| {
        client.get(path).await.expect(200)["limits"]["absolute"]["totalGigabytesUsed"].clone()
    };
    let theirs = format!("/limits?project_id={THEIRS}");
    assert_eq!(used(world.admin().at("3.39"), &theirs).await, 3);
    assert_eq!(used(world.admin().at("3.39"), &format!("/limits?tenant_id={THEIRS}")).await, 3);
    assert_eq!(used(world.admin().at("3.38"), &theirs).await, 0);
    assert_eq!(used(world.member().at("3.39"), &theirs).await, 0);
}

#[tokio::test]
async fn a_managed_volume_must_fit_too() {
    let world = crate::operation::with_fleet().await;
    let file = db::pool_files::PoolFile {
        name: "/images/data.img".to_owned(),
        is_snapshot: false,
        size_bytes: (3 << 30) + 1,
        refusal: None,
    };
    let mut tx = world.database.begin("test: files").await.expect("begin");
    db::pool_files::replace(&mut tx, "fast", &[(file.name.clone(), file)].into()).await.expect("told");
    tx.commit().await.expect("commit");
    let wish = json!({"volume": {"host": "node-1@fast#fast", "ref": {"source-name": "/images/data.img"}}});
    let manage = || world.admin().with_owned("/os-volume-manage".to_owned(), wish.clone());
    set(world.admin(), json!({"per_volume_gigabytes": 3})).await;
    let message = "VolumeSizeExceedsLimit: Requested volume size 4G is larger than maximum allowed limit 3G.";
    manage().await.refused(413, message);
    set(world.admin(), json!({"per_volume_gigabytes": -1, "gigabytes": 3})).await;
    let message = "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested \
                   4G, quota is 3G and 0G has been consumed.";
    manage().await.refused(413, message);
    assert_eq!((in_use(&world, OURS, "volumes").await, in_use(&world, OURS, "gigabytes").await), (0, 0));
    set(world.admin(), json!({"gigabytes": 4})).await;
    manage().await.expect(202);
    assert_eq!((in_use(&world, OURS, "volumes").await, in_use(&world, OURS, "gigabytes").await), (1, 4));
}
