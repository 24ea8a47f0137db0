//! Another project's things are not there (contract §6.2).

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn foreign_ids_are_not_found_by_any_route() {
    let world = World::new().await;
    let owner = world.member();
    let volume = owner.volume(1).await;
    let (snapshot, backup) = (owner.snapshot(&volume).await, owner.backup(&volume).await);
    let before = world.rows().await;
    let stranger = world.stranger().at("3.43");
    let nouns = [("Volume", "volumes", &volume), ("Snapshot", "snapshots", &snapshot), ("Backup", "backups", &backup)];
    for (noun, collection, id) in nouns {
        let message = format!("{noun} {id} could not be found.");
        let path = format!("/{collection}/{id}");
        stranger.get(&path).await.refused(404, &message);
        stranger.delete(&path).await.refused(404, &message);
        let key = collection.trim_end_matches('s');
        stranger.put(&path, json!({key: {"name": "mine"}})).await.refused(404, &message);
        for list in [format!("/{collection}"), format!("/{collection}/detail?all_tenants=1&project_id=x")] {
            let list = stranger.get(&list).await;
            assert!(list.code() == 400 || list.json()[collection] == json!([]), "{}", list.text);
        }
        stranger.get(&format!("/{collection}?marker={id}")).await.refused(404, &message);
    }
    let gone = |noun: &str, id: &str| format!("{noun} {id} could not be found.");
    let cases: Vec<(String, Value, String)> = vec![
        ("/backups".into(), json!({"backup": {"volume_id": volume}}), gone("Volume", &volume)),
        (format!("/backups/{backup}/restore"), json!({"restore": {}}), gone("Backup", &backup)),
        ("/volumes".into(), json!({"volume": {"backup_id": backup}}), gone("Backup", &backup)),
        ("/volumes".into(), json!({"volume": {"snapshot_id": snapshot}}), gone("Snapshot", &snapshot)),
        ("/volumes".into(), json!({"volume": {"source_volid": volume}}), gone("Volume", &volume)),
        ("/snapshots".into(), json!({"snapshot": {"volume_id": volume}}), gone("Volume", &volume)),
        (format!("/volumes/{volume}/metadata"), json!({"metadata": {"a": "b"}}), gone("Volume", &volume)),
        (format!("/snapshots/{snapshot}/metadata"), json!({"metadata": {"a": "b"}}), gone("Snapshot", &snapshot)),
        (format!("/volumes/{volume}/action"), json!({"os-extend": {"new_size": 9}}), gone("Volume", &volume)),
        (format!("/volumes/{volume}/action"), json!({"os-reserve": {}}), gone("Volume", &volume)),
        (format!("/volumes/{volume}/action"), json!({"os-detach": {}}), gone("Volume", &volume)),
        (
            format!("/volumes/{volume}/action"),
            json!({"os-update_readonly_flag": {"readonly": true}}),
            gone("Volume", &volume),
        ),
    ];
    for (path, body, message) in cases {
        stranger.post(&path, body).await.refused(404, &message);
    }
    let theirs = stranger.volume(1).await;
    let restore = json!({"restore": {"volume_id": theirs}});
    owner.post(&format!("/backups/{backup}/restore"), restore).await.refused(404, &gone("Volume", &theirs));
    stranger.delete(&format!("/volumes/{theirs}")).await.expect(202);
    world.finish_jobs(domain::job::Ending::Succeeded).await;
    assert_eq!(world.rows().await, before);
}

#[tokio::test]
async fn an_administrator_sees_all_on_demand() {
    let world = World::new().await;
    let ours = world.member().volume(1).await;
    let theirs = world.stranger().volume(1).await;
    let ids = |reply: Value| {
        let volumes = reply["volumes"].as_array().expect("volumes").clone();
        let mut ids: Vec<String> = volumes.iter().map(|volume| crate::world::text(&volume["id"])).collect();
        ids.sort();
        ids
    };
    let mut both = vec![ours.clone(), theirs.clone()];
    both.sort();
    let admin = world.admin();
    assert_eq!(ids(admin.get("/volumes?all_tenants=1").await.expect(200)), both);
    assert_eq!(ids(admin.get("/volumes/detail?all_tenants=True").await.expect(200)), both);
    for own in ["/volumes", "/volumes?all_tenants=False", &format!("/volumes?project_id={}", crate::world::THEIRS)] {
        assert_eq!(ids(admin.get(own).await.expect(200)), [ours.as_str()], "{own}");
    }
    let filtered = format!("/volumes?all_tenants=1&project_id={}", crate::world::THEIRS);
    assert_eq!(ids(admin.get(&filtered).await.expect(200)), [theirs.as_str()]);
    admin.get(&format!("/volumes/{theirs}")).await.expect(200);
    admin.get("/volumes?all_tenants=zz").await.refused(400, "all_tenants must be a boolean, got 'zz'.");
    assert_eq!(ids(world.member().get("/volumes?all_tenants=zz").await.expect(200)), [ours.as_str()]);
    // A backup of another project's volume is the administrator's own, and on his quota.
    let backup = admin.running_backup(&theirs).await;
    assert_eq!(admin.backup_status(&backup).await, "creating");
    world.stranger().get(&format!("/backups/{backup}")).await.expect(404);
}
