//! Lists against a model: every order, every page size, every filter (contract §1.4).

use domain::backup::{Backup, BackupStatus};
use domain::{BackupId, Timestamp, VolumeId};
use serde_json::{Value, json};

use crate::world::{OURS, World, text};

const NAMES: [Option<&str>; 4] = [Some("beta"), None, Some("alpha"), Some("Beta 2")];

/// Backups with many equal sort keys.
async fn backups(world: &World) -> Vec<Backup> {
    let volumes = [VolumeId::random(), VolumeId::random()];
    let mut backups = Vec::new();
    let mut tx = world.database.begin("test: backups").await.expect("begin");
    for index in 0..11_usize {
        let created_at = Timestamp::from_micros(1_790_000_000_000_000 + i64::try_from(index / 3).expect("small"));
        let backup = Backup {
            id: BackupId::random(),
            project_id: OURS.into(),
            user_id: "alice".into(),
            volume_id: volumes[index % 2],
            snapshot_id: None,
            parent_id: None,
            name: NAMES[index % 4].map(str::to_owned),
            description: None,
            container: None,
            status: if index % 3 == 0 { BackupStatus::Error } else { BackupStatus::Available },
            fail_reason: None,
            size_gb: 1 + i64::try_from(index % 5).expect("small"),
            object_count: 0,
            availability_zone: None,
            host: None,
            service: None,
            service_metadata: None,
            data_timestamp: created_at,
            restore_volume_id: None,
            encryption_key_id: None,
            created_at,
            updated_at: None,
            dependent_backups: 0,
        };
        db::backups::insert(&mut tx, &backup).await.expect("insert");
        backups.push(backup);
    }
    tx.commit().await.expect("commit");
    backups
}

/// The model: filtered rows in order.
fn expected(backups: &[Backup], key: &str, ascending: bool, keep: impl Fn(&Backup) -> bool) -> Vec<String> {
    let mut rows: Vec<&Backup> = backups.iter().filter(|backup| keep(backup)).collect();
    rows.sort_by(|a, b| {
        let first = match key {
            "name" => a.name.clone().unwrap_or_default().cmp(&b.name.clone().unwrap_or_default()),
            "size" => a.size_gb.cmp(&b.size_gb),
            "status" => a.status.as_str().cmp(b.status.as_str()),
            "volume_id" => a.volume_id.to_string().cmp(&b.volume_id.to_string()),
            "id" => a.id.to_string().cmp(&b.id.to_string()),
            _ => a.created_at.cmp(&b.created_at),
        };
        let order = first.then(a.created_at.cmp(&b.created_at)).then(a.id.to_string().cmp(&b.id.to_string()));
        if ascending { order } else { order.reverse() }
    });
    rows.iter().map(|backup| backup.id.to_string()).collect()
}

fn ids(list: &Value) -> Vec<String> {
    list["backups"].as_array().expect("backups").iter().map(|backup| text(&backup["id"])).collect()
}

/// Follows the next links from the first page to the end.
async fn all_pages(world: &World, first: &str, limit: usize) -> Vec<String> {
    let client = world.member().at("3.45");
    let mut found = Vec::new();
    let mut path = first.to_owned();
    loop {
        let list = client.get(&path).await.expect(200);
        let page = ids(&list);
        assert!(page.len() <= limit);
        let next = list["backups_links"][0]["href"].as_str().map(str::to_owned);
        assert_eq!(next.is_some(), page.len() == limit, "a full page has a next one");
        found.extend(page);
        let Some(next) = next else { return found };
        path = next.strip_prefix(&format!("http://volumes.example:8776/v3/{OURS}")).expect("our address").to_owned();
    }
}

#[tokio::test]
async fn pages_are_the_list() {
    let world = World::new().await;
    let rows = backups(&world).await;
    for key in ["created_at", "name", "size", "status", "volume_id", "id"] {
        for (direction, ascending) in [("asc", true), ("desc", false)] {
            for limit in [1, 2, 3, 10, 11, 12] {
                for path in ["/backups", "/backups/detail"] {
                    let first = format!("{path}?limit={limit}&sort={key}%3A{direction}");
                    let found = all_pages(&world, &first, limit).await;
                    assert_eq!(found, expected(&rows, key, ascending, |_| true), "{first}");
                }
            }
        }
    }
}

#[tokio::test]
async fn filters_counts_and_offsets() {
    let world = World::new().await;
    let rows = backups(&world).await;
    let client = world.member().at("3.45");
    let volume = rows[0].volume_id;
    let matching = |backup: &Backup| backup.status == BackupStatus::Available && backup.volume_id == volume;
    let found = all_pages(&world, &format!("/backups?status=available&volume_id={volume}&limit=2"), 2).await;
    assert_eq!(found, expected(&rows, "created_at", false, matching));
    let newest = expected(&rows, "created_at", false, |_| true);
    for (offset, limit) in [(0, 3), (4, 3), (9, 5), (11, 2), (50, 2)] {
        let list = client.get(&format!("/backups?offset={offset}&limit={limit}&with_count=True")).await.expect(200);
        let page: Vec<String> = newest.iter().skip(offset).take(limit).cloned().collect();
        assert_eq!((ids(&list), &list["count"]), (page, &json!(11)));
    }
    let named = |name: &'static str| move |backup: &Backup| backup.name.as_deref() == Some(name);
    assert_eq!(ids(&client.get("/backups?name=beta").await.expect(200)), expected(&rows, "", false, named("beta")));
    let like = client.get("/backups?name~=beta").await.expect(200);
    let contains = |backup: &Backup| backup.name.as_ref().is_some_and(|name| name.to_lowercase().contains("beta"));
    assert_eq!(ids(&like), expected(&rows, "", false, contains));
    assert_eq!(client.get("/backups?limit=0").await.expect(200), json!({"backups": []}));
    assert_eq!(ids(&client.get("/backups?limit=99999999999999999999").await.expect(200)).len(), 11);
    let old_form = client.get("/backups?sort_key=size&sort_dir=asc").await.expect(200);
    assert_eq!(ids(&old_form), expected(&rows, "size", true, |_| true));
    assert_eq!(client.get("/backups").await.expect(200).get("count"), None);
}

#[tokio::test]
async fn what_a_list_refuses() {
    let world = World::new().await;
    backups(&world).await;
    let key = "Invalid input received: Invalid sort key";
    let cases = [
        ("3.71", "limit=-1", 400, "limit param must be positive"),
        ("3.71", "limit=x", 400, "limit param must be an integer"),
        ("3.71", "limit=", 400, "limit param must be an integer"),
        ("3.71", "offset=-1", 400, "offset must be >= 0"),
        ("3.71", "offset=2147483648", 400, "offset must be <= 2147483647"),
        ("3.71", "marker=nope", 404, "Backup nope could not be found."),
        ("3.71", "sort=bogus", 400, key),
        ("3.71", "sort=metadata", 400, key),
        ("3.71", "sort=name,bogus:asc", 400, key),
        ("3.36", "sort=name", 400, key),
        ("3.71", "sort=id:up", 400, "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'."),
        (
            "3.71",
            "sort=id&sort_key=id",
            400,
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
        ),
        ("3.45", "with_count=zz", 400, "Value 'zz' for 'with_count' is not a boolean."),
        ("3.44", "with_count=1", 400, "Invalid filters with_count are found in query options."),
        ("3.31", "bogus=1", 400, "Invalid filters bogus are found in query options."),
        ("3.31", "bogus=1&other=2", 400, "Invalid filters bogus,other are found in query options."),
    ];
    for (version, query, code, message) in cases {
        world.member().at(version).get(&format!("/backups?{query}")).await.refused(code, message);
    }
    let old = world.member().at("3.30").get("/backups?bogus=1").await.expect(200);
    assert_eq!(ids(&old).len(), 11, "older microversions drop what they do not know");
    for query in ["bogus=1", "size=x", "metadata=x", "metadata={'a': 'b'}"] {
        let path = format!("/backups?{}", query.replace(' ', "%20"));
        let none = world.admin().at("3.71").get(&path).await.expect(200);
        assert_eq!(ids(&none), Vec::<String>::new(), "an administrator may filter by anything: {query}");
    }
    assert_eq!(ids(&world.member().at("3.36").get("/backups?sort=display_name").await.expect(200)).len(), 11);
}

#[tokio::test]
async fn filters_of_volumes() {
    let world = World::new().await;
    let client = world.member().at("3.60");
    let body = json!({"volume": {"size": 1, "name": "tagged", "metadata": {"k": "it's"}}});
    let tagged = text(&client.post("/volumes", body).await.expect(202)["volume"]["id"]);
    let plain = text(&client.post("/volumes", json!({"volume": {"size": 2}})).await.expect(202)["volume"]["id"]);
    let created_at = text(&client.get(&format!("/volumes/{tagged}")).await.expect(200)["volume"]["created_at"]);
    let both = vec![plain.clone(), tagged.clone()];
    let cases = [
        ("metadata=%7B%22k%22%3A%20%22it's%22%7D".to_owned(), vec![tagged.clone()]),
        ("metadata=%7B'k'%3A%20'x'%7D".to_owned(), vec![]),
        ("size=2".to_owned(), vec![plain.clone()]),
        ("bootable=false".to_owned(), both.clone()),
        ("bootable=True".to_owned(), vec![]),
        ("availability_zone=nova&status=creating".to_owned(), both.clone()),
        ("consumes_quota=true".to_owned(), both.clone()),
        ("group_id=x".to_owned(), vec![]),
        (format!("created_at=eq:{created_at}"), vec![tagged.clone()]),
        (format!("created_at=gt:{created_at}"), vec![plain.clone()]),
        (format!("created_at=neq:{created_at}"), vec![plain.clone()]),
        (format!("created_at=gte:{created_at}"), both.clone()),
        (format!("created_at=lt:{created_at}"), vec![]),
        (format!("created_at=gte:{created_at},lte:{created_at}"), vec![tagged.clone()]),
    ];
    for (query, expected) in cases {
        let list = client.get(&format!("/volumes?{query}")).await.expect(200);
        let found: Vec<String> =
            list["volumes"].as_array().expect("volumes").iter().map(|volume| text(&volume["id"])).collect();
        assert_eq!(found, expected, "{query}");
    }
    assert_eq!(client.get("/volumes?created_at=gt:yesterday").await.code(), 400);
    assert_eq!(client.get("/volumes?bootable=maybe").await.code(), 400);
}
