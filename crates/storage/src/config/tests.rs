//! Configuration as a file would give it: what is taken, and which key a refusal names.

use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Result<Config, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn tempauth() -> Value {
    json!({
        "backup_swift_auth_url": "http://127.0.0.1:8080/auth/v1.0",
        "backup_swift_user": "test:tester",
        "backup_swift_key": "testing",
    })
}

fn keystone() -> Value {
    json!({
        "backup_swift_auth_url": "http://keystone:5000/v3",
        "backup_swift_auth_version": 3,
        "backup_swift_user": "backup",
        "backup_swift_key": "hunter2",
        "backup_swift_project": "service",
    })
}

fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}

fn without(mut base: Value, key: &str) -> Value {
    base.as_object_mut().expect("an object").remove(key);
    base
}

#[test]
fn defaults_are_cinders() {
    let config = read(tempauth()).expect("a complete configuration");
    assert_eq!(config.service(), "cinder.backup.drivers.swift.SwiftBackupDriver");
    assert_eq!(config.default_container(), Some("volumebackups"));
    assert_eq!((config.chunk_size_bytes(), config.block_size_bytes()), (52_428_800, 32_768));
    assert_eq!((config.backup_swift_retry_attempts, config.backup_swift_retry_backoff), (3, 2));
}

#[test]
fn every_spelling_of_a_driver_is_taken() {
    for name in ["cinder.backup.drivers.swift.SwiftBackupDriver", "cinder.backup.drivers.swift", "swift"] {
        let config = read(with(tempauth(), "backup_driver", json!(name))).expect("Swift");
        assert_eq!(config.backup_driver, Driver::Swift);
    }
    for name in ["cinder.backup.drivers.posix.PosixBackupDriver", "cinder.backup.drivers.posix", "posix"] {
        let config = read(json!({"backup_driver": name, "backup_posix_path": "/var/backups"})).expect("posix");
        assert_eq!(config.service(), "cinder.backup.drivers.posix.PosixBackupDriver");
        assert_eq!(config.default_container(), None);
    }
}

#[test]
fn auth_version_is_text_or_number() {
    for version in [json!("3"), json!(3), json!("3.0")] {
        read(with(keystone(), "backup_swift_auth_version", version)).expect("version 3");
    }
}

#[test]
fn keystone_credentials_are_complete() {
    read(keystone()).expect("a password");
    let tenant = with(without(keystone(), "backup_swift_project"), "backup_swift_tenant", json!("service"));
    read(tenant).expect("the older word for a project");
    read(json!({
        "backup_swift_auth_url": "https://keystone/identity",
        "backup_swift_auth_version": "3",
        "backup_swift_application_credential_id": "21dced0fd20347869b93710d2b98aae0",
        "backup_swift_application_credential_secret": "rEaqvJka48mpv",
    }))
    .expect("an application credential");
}

#[test]
fn refusals_name_the_key() {
    let posix = json!({"backup_driver": "posix", "backup_posix_path": "/b"});
    let cases = [
        (json!({}), "backup_swift_auth_url"),
        (with(tempauth(), "backup_swift_colour", json!("red")), "backup_swift_colour"),
        (with(tempauth(), "backup_driver", json!("ceph")), "backup_driver 'ceph'"),
        (with(tempauth(), "backup_swift_auth", json!("per_user")), "the caller's token would have to travel"),
        (with(tempauth(), "backup_swift_auth_version", json!("2")), "backup_swift_auth_version 2"),
        (with(tempauth(), "backup_swift_auth_version", json!(4)), "backup_swift_auth_version '4'"),
        (with(tempauth(), "backup_swift_auth_url", json!("keystone")), "backup_swift_auth_url"),
        (with(tempauth(), "backup_swift_auth_url", json!("http://u:p@h/")), "without a password"),
        (with(tempauth(), "backup_swift_project", json!("p")), "backup_swift_project needs Keystone"),
        (with(tempauth(), "backup_swift_container", json!("a/b")), "backup_swift_container"),
        (with(tempauth(), "backup_swift_block_size", json!(0)), "backup_swift_block_size"),
        (with(tempauth(), "backup_swift_object_size", json!(50_000)), "backup_swift_object_size"),
        (with(tempauth(), "backup_swift_request_timeout_secs", json!(0)), "backup_swift_request_timeout_secs"),
        (with(tempauth(), "swift_catalog_info", json!("swift")), "swift_catalog_info"),
        (with(tempauth(), "swift_catalog_info", json!("a:b:outside")), "swift_catalog_info"),
        (without(tempauth(), "backup_swift_user"), "backup_swift_user"),
        (without(tempauth(), "backup_swift_key"), "backup_swift_key"),
        (without(keystone(), "backup_swift_project"), "backup_swift_project"),
        (with(keystone(), "backup_swift_application_credential_secret", json!("s")), "credential_id"),
        (with(keystone(), "backup_swift_application_credential_id", json!("i")), "backup_swift_project has no meaning"),
        (without(posix.clone(), "backup_posix_path"), "backup_posix_path"),
        (with(posix.clone(), "backup_posix_path", json!("relative")), "backup_posix_path"),
        (with(posix.clone(), "backup_container", json!("../out")), "backup_container"),
        (with(posix, "backup_file_size", json!(1)), "backup_file_size"),
    ];
    for (value, expected) in cases {
        let message = read(value.clone()).expect_err(expected);
        assert!(message.contains(expected), "{value} answered: {message}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let config = read(keystone()).expect("a password");
    let options = config.swift_options().expect("Swift");
    assert!(!format!("{config:?} {options:?}").contains("hunter2"));
    let message = read(with(tempauth(), "backup_swift_key", json!(4711))).expect_err("no text");
    assert!(!message.contains("4711"), "{message}");
}
