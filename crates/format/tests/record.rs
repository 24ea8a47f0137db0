//! Records of backups: stock Cinder's own, ours, and what nobody should have written.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::backup::{Backup, BackupStatus};
use domain::{BackupId, Kind, Timestamp, VolumeId};
use format::BackupRecord;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

/// As stock Cinder wrote it, key by key.
const STOCK: &str = r#"{"driver_info": {}, "id": "228b631e-94a1-4d5e-8b8c-0f7c7c1d2e3f", "user_id": "c853ca26", "project_id": "p", "volume_id": "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f", "host": "c3838b1a", "availability_zone": "nova", "container": "volumebackups", "parent_id": "e300c42c-d6c4-4962-b63a-5acd70661cd2", "status": "available", "fail_reason": null, "size": 1, "display_name": null, "display_description": "d\u00fcnn", "service_metadata": "volume_7c60/20261122142937/az_nova_backup_228b", "service": "cinder.backup.drivers.swift.SwiftBackupDriver", "object_count": 2, "temp_volume_id": null, "temp_snapshot_id": null, "num_dependent_backups": 0, "snapshot_id": null, "data_timestamp": "2026-11-22T14:29:37Z", "restore_volume_id": "6d4761a1-94a1-4d5e-8b8c-0f7c7c1d2e3f", "metadata": {"k": "v"}, "encryption_key_id": null, "created_at": "2026-11-22T14:29:37Z", "updated_at": "2026-11-22T14:29:39Z", "deleted_at": null, "deleted": false}"#;

fn stock() -> Map<String, Value> {
    serde_json::from_str(STOCK).unwrap()
}

fn decode(document: &Value) -> domain::Result<BackupRecord> {
    BackupRecord::decode(&STANDARD.encode(document.to_string()))
}

/// Stock's record with one field changed.
fn with(name: &str, value: Value) -> Value {
    let mut record = stock();
    record.insert(name.to_owned(), value);
    record.into()
}

fn row() -> Backup {
    Backup {
        id: "228b631e-94a1-4d5e-8b8c-0f7c7c1d2e3f".parse().unwrap(),
        project_id: "p".to_owned(),
        user_id: "c853ca26".to_owned(),
        volume_id: "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f".parse().unwrap(),
        snapshot_id: None,
        parent_id: Some("e300c42c-d6c4-4962-b63a-5acd70661cd2".parse().unwrap()),
        name: None,
        description: Some("dünn".to_owned()),
        container: Some("volumebackups".to_owned()),
        status: BackupStatus::Available,
        fail_reason: None,
        size_gb: 1,
        object_count: 2,
        availability_zone: Some("nova".to_owned()),
        host: Some("c3838b1a".to_owned()),
        service: Some("cinder.backup.drivers.swift.SwiftBackupDriver".to_owned()),
        service_metadata: Some("volume_7c60/20261122142937/az_nova_backup_228b".to_owned()),
        data_timestamp: Timestamp::parse("2026-11-22T14:29:37.485793").unwrap(),
        restore_volume_id: Some("6d4761a1-94a1-4d5e-8b8c-0f7c7c1d2e3f".parse().unwrap()),
        encryption_key_id: None,
        created_at: Timestamp::parse("2026-11-22T14:29:37").unwrap(),
        updated_at: Timestamp::parse("2026-11-22T14:29:39.9"),
        dependent_backups: 0,
    }
}

#[test]
fn ours_is_stock_s_byte_for_byte() {
    let pairs = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let record = BackupRecord::encode(&row(), &pairs);
    assert_eq!(String::from_utf8(STANDARD.decode(&record).unwrap()).unwrap(), STOCK);
    assert!(!record.contains('\n'));
}

#[test]
fn stock_s_is_read() {
    let record = BackupRecord::decode(&STANDARD.encode(STOCK)).unwrap();
    let expected = row();
    record.check_complete().unwrap();
    assert_eq!((record.id, record.size_gb, record.object_count), (expected.id, 1, 2));
    assert_eq!((record.volume_id, record.parent_id), (Some(expected.volume_id), expected.parent_id));
    assert_eq!((&record.name, &record.description), (&expected.name, &expected.description));
    assert_eq!((&record.container, &record.service_metadata), (&expected.container, &expected.service_metadata));
    assert_eq!(record.created_at, Some(expected.created_at));
    assert_eq!(record.data_timestamp, Some(expected.created_at), "to the second");
    assert_eq!(record.restore_volume_id, expected.restore_volume_id);
    assert_eq!(record.metadata, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    let broken = STANDARD.encode(STOCK);
    let (start, end) = broken.split_at(76);
    assert_eq!(BackupRecord::decode(&format!("{start}\n{end}\n")).unwrap(), record, "line breaks are no part of it");
}

#[test]
fn what_is_missing_is_named() {
    for (name, message) in [
        ("id", "Invalid input received: Provided backup record is missing an id"),
        ("size", "Invalid input received: Provided backup record is missing size attribute"),
    ] {
        let mut record = stock();
        record.remove(name);
        assert_eq!(decode(&record.into()).unwrap_err().message(), message);
    }
    let mut record = stock();
    for name in ["service_metadata", "display_name", "updated_at"] {
        record.remove(name);
    }
    let refusal = decode(&record.into()).unwrap().check_complete().unwrap_err();
    assert_eq!(
        refusal.message(),
        "Driver successfully decoded imported backup data, but there are missing fields (display_name, service_metadata)."
    );
}

#[test]
fn what_no_row_or_store_can_hold_is_refused() {
    let long = "x".repeat(256);
    let own_id = stock()["id"].clone();
    for (name, value) in [
        ("id", json!("backup")),
        ("id", json!(5)),
        ("size", json!(-1)),
        ("size", json!(2_147_483_648_i64)),
        ("size", json!(1.5)),
        ("size", json!("many")),
        ("size", json!(true)),
        ("object_count", json!(-1)),
        ("object_count", json!(u64::MAX)),
        ("volume_id", json!("../../etc")),
        ("parent_id", json!({"id": 1})),
        ("parent_id", own_id),
        ("display_name", json!(long)),
        ("display_name", json!("a\0b")),
        ("display_description", json!(["a"])),
        ("container", json!(long)),
        ("container", json!("..")),
        ("container", json!("/etc")),
        ("container", json!("a//b")),
        ("container", json!("")),
        ("service_metadata", json!("")),
        ("service_metadata", json!("a/../b")),
        ("service_metadata", json!("a\nb")),
        ("service_metadata", json!("a\0b")),
        ("data_timestamp", json!("yesterday")),
        ("data_timestamp", json!(0)),
        ("created_at", json!("0000-01-01T00:00:00Z")),
        ("created_at", json!("+262142-01-01T00:00:00Z")),
        ("created_at", json!("0001-01-01T00:00:00+23:00")),
        ("metadata", json!({"k": 1})),
        ("metadata", json!({"": "v"})),
        ("metadata", json!({"k": long})),
        ("metadata", json!("k=v")),
        ("encryption_key_id", json!(long)),
    ] {
        let refusal = decode(&with(name, value.clone())).expect_err(&format!("{name}: {value}"));
        assert_eq!(refusal.kind(), Kind::Invalid, "{refusal}");
        assert!(refusal.message().starts_with("Invalid input received: "), "{refusal}");
    }
    let cannot_parse = "Invalid input received: Can't parse backup record.";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for document in ["", "[]", "5", "null", "{\"id\": ", "\u{feff}{}", deep.as_str()] {
        assert_eq!(
            BackupRecord::decode(&STANDARD.encode(document)).unwrap_err().message(),
            cannot_parse,
            "{document:.9}"
        );
    }
    assert_eq!(BackupRecord::decode(&STANDARD.encode([0xff, 0xfe])).unwrap_err().message(), cannot_parse);
    for text in ["no base64!", "QQ", "====", "Q\0=="] {
        let refusal = BackupRecord::decode(text).unwrap_err();
        assert_eq!(refusal.message(), "Invalid input received: Can't decode backup record.");
    }
    assert!(BackupRecord::decode(&"QUJD".repeat(3 << 20)).unwrap_err().message().contains("longer"));
}

/// Any text that a row holds.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_filter("no NUL", |symbol| *symbol != '\0'), 0..40).prop_map(String::from_iter)
}

fn name() -> impl Strategy<Value = String> {
    vec("[a-z0-9ü_.-]{1,8}x", 1..4).prop_map(|segments| segments.join("/"))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800_i64..253_402_300_799).prop_map(|secs| Timestamp::from_micros(secs * 1_000_000))
}

fn backup() -> impl Strategy<Value = Backup> {
    let ids = (any::<[u128; 3]>(), any::<bool>());
    let texts = (option::of(text()), option::of(text()), name(), name());
    (ids, texts, 0..=2_147_483_647_i64, time(), time()).prop_map(
        |((ids, child), texts, number, taken_at, created_at)| {
            let backup_id = |index: usize| BackupId::from_uuid(uuid::Uuid::from_u128(ids[index]));
            Backup {
                id: backup_id(0),
                volume_id: VolumeId::from_uuid(uuid::Uuid::from_u128(ids[1])),
                parent_id: child.then(|| backup_id(2)).filter(|parent| *parent != backup_id(0)),
                name: texts.0,
                description: texts.1,
                container: Some(texts.2),
                service_metadata: Some(texts.3),
                size_gb: number,
                object_count: number / 2,
                data_timestamp: taken_at,
                created_at,
                ..row()
            }
        },
    )
}

/// Values of every type, fit and unfit for any field.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        vec(any::<char>(), 0..300).prop_map(|text| String::from_iter(text).into()),
        select(vec![
            "228b631e94a14d5e8b8c0f7c7c1d2e3f",
            "2026-11-22T14:29:37Z",
            "9999-12-31T23:59:59-23:59",
            "a/../b",
            "7"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z]{0,3}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(backup in backup(), pairs in btree_map("[a-z]{1,9}", text(), 0..5)) {
        let record = BackupRecord::decode(&BackupRecord::encode(&backup, &pairs)).unwrap();
        record.check_complete().unwrap();
        prop_assert_eq!((record.id, record.volume_id, record.parent_id), (backup.id, Some(backup.volume_id), backup.parent_id));
        prop_assert_eq!((record.name, record.description), (backup.name, backup.description));
        prop_assert_eq!((record.container, record.service_metadata), (backup.container, backup.service_metadata));
        prop_assert_eq!((record.size_gb, record.object_count), (backup.size_gb, backup.object_count));
        prop_assert_eq!((record.data_timestamp, record.created_at), (Some(backup.data_timestamp), Some(backup.created_at)));
        prop_assert_eq!(record.metadata, pairs);
    }

    /// Whatever a record holds, it is refused as the caller's mistake or becomes something that a row can hold.
    #[test]
    fn no_field_does_harm(changes in vec((any::<Index>(), option::of(value())), 1..5)) {
        let mut record = stock();
        for (index, change) in changes {
            let name = record.keys().nth(index.index(record.len())).unwrap().clone();
            match change {
                Some(value) => drop(record.insert(name, value)),
                None => drop(record.remove(&name)),
            }
        }
        match decode(&record.into()) {
            Err(refusal) => prop_assert_eq!(refusal.kind(), Kind::Invalid),
            Ok(record) => {
                prop_assert!((0..=2_147_483_647).contains(&record.size_gb));
                prop_assert!((0..=2_147_483_647).contains(&record.object_count));
                prop_assert!(record.parent_id != Some(record.id));
                let texts = [&record.name, &record.description, &record.container, &record.service_metadata];
                for text in texts.into_iter().flatten().chain(record.metadata.keys()).chain(record.metadata.values()) {
                    prop_assert!(!text.contains('\0') && text.chars().count() <= 255);
                }
                for name in [&record.container, &record.service_metadata].into_iter().flatten() {
                    prop_assert!(!name.split('/').any(|segment| matches!(segment, "" | "." | "..")));
                }
                for time in [record.created_at, record.data_timestamp].into_iter().flatten() {
                    prop_assert_eq!(Timestamp::parse(&time.iso()), Some(time), "a client can be told");
                }
                drop(record.check_complete());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), text in vec(any::<char>(), 0..200), cut in any::<Index>()) {
        drop(BackupRecord::decode(&STANDARD.encode(bytes)));
        drop(BackupRecord::decode(&String::from_iter(text)));
        let whole = STANDARD.encode(STOCK);
        drop(BackupRecord::decode(&whole[..cut.index(whole.len())]));
    }
}
