//! Lists: every order and page equals a model in memory, on both databases.

use db::volumes::{self, COLUMNS};
use db::{Direction, Filter, ListQuery, metadata};
use domain::Kind;
use domain::volume::{Volume, VolumeStatus};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::lab::{Lab, PROJECT, all, at, project, volume};

/// What a column sorts by; nulls are the empty text or zero.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Text(String),
    Number(i64),
}

fn key(volume: &Volume, column: &str) -> Key {
    let text = |text: &Option<String>| Key::Text(text.clone().unwrap_or_default());
    match column {
        "id" => Key::Text(volume.id.to_string()),
        "name" => text(&volume.name),
        "description" => text(&volume.description),
        "status" => Key::Text(volume.status.to_string()),
        "size_gb" => Key::Number(volume.size_gb),
        "availability_zone" => Key::Text(volume.availability_zone.clone()),
        "bootable" => Key::Number(i64::from(volume.bootable)),
        "host" => text(&volume.host),
        "pool" => text(&volume.pool),
        "project_id" => Key::Text(volume.project_id.clone()),
        "user_id" => Key::Text(volume.user_id.clone()),
        "volume_type_id" => Key::Text(volume.volume_type_id.clone()),
        "snapshot_id" => text(&volume.snapshot_id.map(|id| id.to_string())),
        "source_volume_id" => text(&volume.source_volume_id.map(|id| id.to_string())),
        "group_id" => text(&volume.group_id.map(|id| id.to_string())),
        "attach_status" => Key::Text(volume.attach_status.to_string()),
        "migration_status" => text(&volume.migration_status),
        "created_at" => Key::Number(volume.created_at.micros()),
        "updated_at" => Key::Number(volume.updated_at.map_or(0, domain::Timestamp::micros)),
        other => panic!("the model does not know {other}"),
    }
}

fn model(rows: &[Volume], sort: &[(&'static str, Direction)]) -> Vec<Volume> {
    let first = sort.first().map_or(Direction::Descending, |(_, direction)| *direction);
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| {
        for (column, direction) in sort.iter().chain(&[("created_at", first), ("id", first)]) {
            let order = key(a, column).cmp(&key(b, column));
            let order = if *direction == Direction::Ascending { order } else { order.reverse() };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
    rows
}

fn random_volume(random: &mut SmallRng) -> Volume {
    let names = [None, Some(""), Some("a"), Some("B"), Some("ä"), Some("Z z"), Some("a_b"), Some("日本")];
    let statuses = [VolumeStatus::Available, VolumeStatus::InUse, VolumeStatus::Error];
    let name = |random: &mut SmallRng| names[random.random_range(0..names.len())].map(str::to_owned);
    Volume {
        name: name(random),
        description: name(random),
        host: name(random),
        status: statuses[random.random_range(0..statuses.len())],
        size_gb: random.random_range(1..4),
        bootable: random.random_bool(0.5),
        snapshot_id: random.random_bool(0.3).then(domain::SnapshotId::random),
        updated_at: random.random_bool(0.5).then(|| at(random.random_range(0..3))),
        ..volume(random.random_range(0..5))
    }
}

async fn filled(lab: &Lab, random: &mut SmallRng, count: usize) -> Vec<Volume> {
    let rows: Vec<_> = (0..count).map(|_| random_volume(random)).collect();
    lab.commit(async |conn| {
        for row in &rows {
            volumes::insert(conn, row).await?;
        }
        // A row that nobody of this project may see.
        volumes::insert(conn, &Volume { project_id: "p2".into(), ..volume(3) }).await
    })
    .await;
    rows
}

pub(crate) async fn pages_equal_a_model(lab: Lab) {
    const SEED: u64 = 34;
    let mut random = SmallRng::seed_from_u64(SEED);
    let rows = filled(&lab, &mut random, 40).await;
    let mut conn = lab.read().await;
    for _ in 0..60 {
        let mut sort = Vec::new();
        for _ in 0..random.random_range(0..4) {
            let direction = if random.random_bool(0.5) { Direction::Ascending } else { Direction::Descending };
            sort.push((*COLUMNS.choose(&mut random).expect("a column"), direction));
        }
        let expected = model(&rows, &sort);
        let mut query = ListQuery { scope: project(PROJECT), sort, limit: random.random_range(1..15), ..all() };
        let mut seen: Vec<Volume> = Vec::new();
        loop {
            let page = volumes::list(&mut conn, &query).await.expect("page");
            assert!(i64::try_from(page.len()).expect("few") <= query.limit);
            let Some(last) = page.last() else { break };
            query.marker = Some(last.id.to_string());
            seen.extend(page);
        }
        assert_eq!(seen, expected, "sorted by {:?}", query.sort);
        // An offset counts from the marker.
        let skipped = ListQuery { marker: Some(expected[4].id.to_string()), offset: 3, limit: 5, ..query };
        assert_eq!(volumes::list(&mut conn, &skipped).await.expect("page"), expected[8..13]);
    }
}

pub(crate) async fn filters_select(lab: Lab) {
    let mut random = SmallRng::seed_from_u64(7);
    let rows = filled(&lab, &mut random, 40).await;
    let tagged = &rows[5];
    let pairs = [("k".to_owned(), "v".to_owned())].into();
    lab.commit(async |conn| metadata::merge(conn, &tagged.id.to_string(), &pairs).await).await;
    type Matches = Box<dyn Fn(&Volume) -> bool + Send + Sync>;
    let like =
        |volume: &Volume, part: &str| volume.name.as_ref().is_some_and(|name| name.to_ascii_lowercase().contains(part));
    let tagged_id = tagged.id;
    let cases: Vec<(Filter, Matches)> = vec![
        (Filter::Equals("status", "in-use".into()), Box::new(|row| row.status == VolumeStatus::InUse)),
        (Filter::Equals("size_gb", "2".into()), Box::new(|row| row.size_gb == 2)),
        (Filter::Equals("size_gb", "two".into()), Box::new(|_| false)),
        (Filter::Equals("bootable", "True".into()), Box::new(|row| row.bootable)),
        (Filter::EqualsInteger("size_gb", 3), Box::new(|row| row.size_gb == 3)),
        (Filter::IsTrue("bootable", false), Box::new(|row| !row.bootable)),
        (Filter::Like("name", "Z".into()), Box::new(move |row| like(row, "z"))),
        (Filter::Like("name", "_".into()), Box::new(move |row| like(row, "_"))),
        (Filter::Like("name", "%".into()), Box::new(move |row| like(row, "%"))),
        (Filter::Like("name", "!".into()), Box::new(move |row| like(row, "!"))),
        (Filter::Like("name", "日".into()), Box::new(move |row| like(row, "日"))),
        (Filter::Before("created_at", at(2)), Box::new(|row| row.created_at < at(2))),
        (Filter::Differs("created_at", at(2)), Box::new(|row| row.created_at != at(2))),
        (Filter::After("updated_at", at(0)), Box::new(|row| row.updated_at.is_some_and(|time| time > at(0)))),
        (Filter::Metadata("k".into(), "v".into()), Box::new(move |row| row.id == tagged_id)),
        (Filter::Metadata("k".into(), "w".into()), Box::new(|_| false)),
        (Filter::Nothing, Box::new(|_| false)),
    ];
    let mut conn = lab.read().await;
    for (filter, matches) in cases {
        let query = ListQuery { scope: project(PROJECT), filters: vec![filter.clone()], ..all() };
        let selected: Vec<_> = rows.iter().filter(|row| matches(row)).cloned().collect();
        let expected = model(&selected, &[]);
        assert_eq!(volumes::list(&mut conn, &query).await.expect("list"), expected, "{filter:?}");
        let count = volumes::count(&mut conn, &ListQuery { limit: 1, offset: 1, ..query }).await.expect("count");
        assert_eq!(usize::try_from(count).expect("few"), expected.len(), "{filter:?}");
    }
    assert_eq!(volumes::count(&mut conn, &all()).await.expect("count"), 41, "all projects");
}

pub(crate) async fn markers_are_checked(lab: Lab) {
    let foreign = Volume { project_id: "p2".into(), ..volume(0) };
    let own = Volume { status: VolumeStatus::Error, ..volume(1) };
    lab.commit(async |conn| {
        volumes::insert(conn, &foreign).await?;
        volumes::insert(conn, &own).await
    })
    .await;
    let mut conn = lab.read().await;
    let after = |marker: &str| ListQuery {
        scope: project(PROJECT),
        marker: Some(marker.into()),
        filters: vec![Filter::Equals("status", "available".into())],
        ..all()
    };
    for unknown in ["nope", &foreign.id.to_string()] {
        let refusal = volumes::list(&mut conn, &after(unknown)).await.expect_err("refused");
        assert_eq!(refusal.kind(), Kind::NotFound);
        assert_eq!(refusal.message(), format!("Volume {unknown} could not be found."));
    }
    let page = volumes::list(&mut conn, &after(&own.id.to_string())).await;
    assert_eq!(page.expect("a marker need not match the filters"), []);
}

pub(crate) async fn wrong_columns_are_errors(lab: Lab) {
    let mut conn = lab.read().await;
    let filters = [
        Filter::Equals("metadata; DROP TABLE volumes", "x".into()),
        Filter::Like("size_gb", "1".into()),
        Filter::EqualsInteger("name", 1),
        Filter::IsTrue("name", true),
    ];
    for filter in filters {
        let query = ListQuery { filters: vec![filter], ..all() };
        assert_eq!(volumes::list(&mut conn, &query).await.expect_err("refused").kind(), Kind::Internal);
    }
    let query = ListQuery { sort: vec![("previous_status", Direction::Ascending)], ..all() };
    assert_eq!(volumes::list(&mut conn, &query).await.expect_err("refused").kind(), Kind::Internal);
}
