//! Records of backups that nobody should have written, sent as an administrator imports them: what is refused is a fault of
//! the contract and changes nothing, what is accepted is a placeholder that believes nothing of them; the same seed at
//! every run.

use std::cell::{Cell, RefCell};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::job::Subject;
use domain::quota::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::fuzz::{runner, runtime};
use crate::rubbish::{check, furnished};
use crate::world::{World, text};

const FIELDS: [&str; 31] = [
    "id",
    "user_id",
    "project_id",
    "volume_id",
    "snapshot_id",
    "parent_id",
    "restore_volume_id",
    "temp_volume_id",
    "temp_snapshot_id",
    "host",
    "availability_zone",
    "container",
    "service",
    "service_metadata",
    "status",
    "fail_reason",
    "size",
    "display_name",
    "display_description",
    "object_count",
    "num_dependent_backups",
    "encryption_key_id",
    "data_timestamp",
    "created_at",
    "updated_at",
    "deleted_at",
    "deleted",
    "metadata",
    "driver_info",
    "__class__",
    "",
];

fn good(id: u128) -> Value {
    json!({"id": uuid::Uuid::from_u128(id).to_string(), "user_id": "u", "project_id": "p", "volume_id": null, "host": "h",
        "container": "c", "parent_id": null, "status": "available", "size": 1, "display_name": "n",
        "display_description": "d", "service_metadata": "volume_v/20261122142937/az_z_backup_b", "service": "s",
        "object_count": 2, "metadata": {"k": "v"}, "created_at": "2026-11-22T14:29:37Z", "deleted": false})
}

/// Texts that lead out of a store, a row or a language.
fn trick(known: Vec<String>) -> BoxedStrategy<String> {
    let tricks = [
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "a/",
        ".",
        "",
        "a\0b",
        "a\nb",
        "%2e%2e/x",
        "..\\..\\x",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "cinder.backup.drivers.posix.PosixBackupDriver",
        "__import__('os')",
        "'; DROP TABLE backups; --",
        "\u{202e}\u{0}",
        "null",
        "-1",
        "2147483648",
        "9999-12-31T23:59:59-23:59",
        "0000-00-00T00:00:00Z",
    ];
    let known = tricks.into_iter().map(str::to_owned).chain(known).collect::<Vec<_>>();
    prop_oneof![6 => select(known), 1 => any::<String>(), 1 => "x{254,257}", 1 => "[a-z]/{250,260}"].boxed()
}

fn value(known: Vec<String>) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        6 => trick(known.clone()).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    let inner = leaf.clone().prop_recursive(4, 24, 4, move |inner| {
        let pair = (trick(known.clone()), inner.clone());
        let object = |pairs: Vec<(String, Value)>| Value::Object(pairs.into_iter().collect());
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), vec(pair, 0..4).prop_map(object)]
    });
    let many = (0..3000_usize).prop_map(|count| (0..count).map(|key| (format!("k{key}"), json!("v"))).collect());
    prop_oneof![5 => leaf, 3 => inner, 1 => many.prop_map(Value::Object)].boxed()
}

/// What is said to be base64 of a record.
fn url(known: Vec<String>) -> BoxedStrategy<String> {
    let encode = |document: Value| STANDARD.encode(document.to_string());
    let changed = |(id, changes): (u128, Vec<(&str, Option<Value>)>)| {
        let mut record = good(id);
        let fields = record.as_object_mut().expect("an object");
        for (name, change) in changes {
            match change {
                Some(value) => drop(fields.insert(name.to_owned(), value)),
                None => drop(fields.remove(name)),
            }
        }
        record
    };
    let changes = vec((select(&FIELDS[..]), proptest::option::weighted(0.85, value(known.clone()))), 0..4);
    let damaged = |(id, at, byte): (u128, Index, Option<u8>)| {
        let mut bytes = good(id).to_string().into_bytes();
        let at = at.index(bytes.len());
        match byte {
            Some(byte) => bytes[at] = byte,
            None => bytes.truncate(at),
        }
        STANDARD.encode(bytes)
    };
    let deep = (1..20_000_usize).prop_map(|depth| STANDARD.encode("{\"id\":".repeat(depth)));
    prop_oneof![
        8 => (any::<u128>(), changes).prop_map(changed).prop_map(encode),
        3 => (any::<u128>(), any::<Index>(), any::<Option<u8>>()).prop_map(damaged),
        2 => value(known.clone()).prop_map(encode),
        1 => vec(any::<u8>(), 0..300).prop_map(|bytes| STANDARD.encode(bytes)),
        1 => trick(known),
        1 => deep,
    ]
    .boxed()
}

#[test]
fn records_that_nobody_should_have_written() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let (volume, snapshot, backup) = runtime.block_on(furnished(&world));
    let known = vec![volume, snapshot, backup];
    for resource in [Resource::Backups, Resource::BackupGigabytes] {
        runtime.block_on(world.set_limit(resource, -1));
    }
    let (rows, accepted, refused) = (RefCell::new(runtime.block_on(world.rows())), Cell::new(0), Cell::new(0));
    let import = async |service: &str, url: &str| {
        let body = json!({"backup-record": {"backup_service": service, "backup_url": url}});
        let reply = world.admin().at("3.71").post("/backups/import_record", body).await;
        check(&reply, url);
        let before = rows.replace(world.rows().await);
        if reply.code() != 201 {
            assert!(*rows.borrow() == before, "{url} was refused and changed something");
            return refused.set(refused.get() + 1);
        }
        accepted.set(accepted.get() + 1);
        let id = text(&reply.json()["backup"]["id"]);
        let seen = world.admin().at("3.71").get(&format!("/backups/{id}")).await.expect(200)["backup"].clone();
        let fields = ["status", "name", "description", "container", "object_count", "metadata", "volume_id"];
        let nothing = json!(["creating", null, null, null, 0, {}, "00000000-0000-0000-0000-000000000000"]);
        assert_eq!(json!(fields.map(|name| seen[name].clone())), nothing, "{url} was believed");
        let is_its = |subject: &Subject| matches!(subject, Subject::BackupImport { backup_id, record, .. } if backup_id.to_string() == id && record == url);
        let jobs = world.jobs().await;
        assert_eq!(jobs.iter().filter(|job| is_its(&job.subject)).count(), 1, "{url}");
    };
    let outcome = runner(400).run(&(trick(known.clone()), url(known)), |(service, url)| {
        runtime.block_on(import(&service, &url));
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    // Too few of either would mean that the records are all alike.
    assert!(accepted.get() > 50 && refused.get() > 100, "{} accepted, {} refused", accepted.get(), refused.get());
}
