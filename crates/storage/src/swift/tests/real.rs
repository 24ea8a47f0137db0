//! The suite on real servers; see the variables' names for what must run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Kind;
use md5::{Digest, Md5};
use openstack::{
    ApplicationCredential, Credentials, Domain, Interface, Password, Project, Secret, Session, User, http,
};
use serde_json::{Value, json};

use crate::swift::{Endpoint, SwiftOptions, SwiftStore};
use crate::{Body, Config, ObjectStore, suite};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set for the tests of module real"))
}

fn tempauth() -> Credentials {
    let auth_url = variable("EMBERKEEP_TEST_SWIFT_AUTH_URL");
    Credentials::TempAuth { auth_url, user: "test:tester".to_owned(), key: Secret::new("testing") }
}

fn password() -> Password {
    Password {
        user: User::Name { name: "admin".to_owned(), domain: Domain::default() },
        password: Secret::new("labadmin"),
        project: Project::Name { name: "admin".to_owned(), domain: Domain::default() },
    }
}

fn store(credentials: Credentials, region: Option<&str>) -> SwiftStore {
    SwiftStore::new(options(credentials, region)).expect("a store").with_page_limit(7)
}

fn options(credentials: Credentials, region: Option<&str>) -> SwiftOptions {
    let endpoint = Endpoint { region: region.map(str::to_owned), ..Endpoint::default() };
    SwiftOptions {
        credentials,
        endpoint,
        create_containers: true,
        storage_policy: None,
        client: http::ClientOptions::default(),
        idle_timeout: Duration::from_secs(60),
        segment_bytes: SwiftOptions::SEGMENT_BYTES,
    }
}

#[tokio::test]
async fn swift_with_tempauth_passes_the_suite() {
    suite::run(Arc::new(store(tempauth(), None))).await;
}

#[tokio::test]
async fn swift_with_large_objects_passes_the_suite() {
    let options = SwiftOptions { segment_bytes: 1 << 20, ..options(tempauth(), None) };
    suite::run(Arc::new(SwiftStore::new(options).expect("a store").with_page_limit(7))).await;
}

#[tokio::test]
async fn segments_lie_outside_of_their_object_s_prefix() {
    let options = SwiftOptions { segment_bytes: 1 << 20, ..options(tempauth(), None) };
    let store = SwiftStore::new(options).expect("a store");
    let container = format!("segments-{}", uuid::Uuid::new_v4());
    store.ensure_container(&container).await.expect("a container");
    let data = Bytes::from(vec![7; 5 << 19]);
    store
        .put(&container, "p/o", Body::Bytes { bytes: data.clone(), md5: Md5::digest(&data).into() })
        .await
        .expect("puts");
    let page = store.list(&container, "", None).await.expect("lists");
    let names: Vec<&str> = page.entries.iter().map(|entry| entry.name.as_str()).collect();
    let sums: String = data.chunks(1 << 20).map(|part| stdx::hex::encode(&Md5::digest(part))).collect();
    let sum = stdx::hex::encode(&Md5::digest(sums));
    let mut expected = vec!["p/o".to_owned()];
    expected.extend((0..3).map(|number| format!("segments/p/o/{sum}/{number:05}")));
    assert_eq!(names, expected);
    let unmade = store.delete_parts(&container, "p/o", &|_| false).await.expect("lists");
    assert_eq!((unmade, store.head(&container, "p/o").await.expect("there")), (0, 5 << 19));
    store.delete(&container, "p/o").await.expect("deletes");
    assert_eq!(store.delete_parts(&container, "p/", &|name| name == "p/o").await.expect("deletes"), 3);
}

#[tokio::test]
async fn swift_with_a_keystone_password_passes_the_suite() {
    let auth_url = variable("EMBERKEEP_TEST_KEYSTONE_URL");
    suite::run(Arc::new(store(Credentials::Password { auth_url, password: password() }, Some("RegionOne")))).await;
}

#[tokio::test]
async fn swift_with_an_application_credential_takes_objects() {
    let auth_url = variable("EMBERKEEP_TEST_KEYSTONE_URL");
    let credential = make_application_credential(&auth_url).await;
    let store = store(Credentials::ApplicationCredential { auth_url, credential }, None);
    let container = format!("appcred-{}", uuid::Uuid::new_v4());
    store.ensure_container(&container).await.expect("a container");
    let data = Bytes::from_static(b"test");
    store
        .put(&container, "o", Body::Bytes { bytes: data.clone(), md5: Md5::digest(&data).into() })
        .await
        .expect("puts");
    assert_eq!(store.head(&container, "o").await.expect("heads"), 4);
    store.delete(&container, "o").await.expect("deletes");
}

#[tokio::test]
async fn bytes_that_changed_on_their_way_are_refused() {
    let store = store(tempauth(), None);
    let container = format!("changed-{}", uuid::Uuid::new_v4());
    store.ensure_container(&container).await.expect("a container");
    let put = store
        .put(&container, "o", Body::Bytes { bytes: Bytes::from_static(b"other"), md5: Md5::digest(b"bytes").into() })
        .await;
    assert_eq!(put.expect_err("Swift sums what arrives").kind(), Kind::Damaged);
    assert_eq!(store.head(&container, "o").await.expect_err("nothing is stored").kind(), Kind::NotFound);
}

#[tokio::test]
async fn configuration_opens_swift() {
    let config: Config = serde_json::from_value(json!({
        "backup_driver": "cinder.backup.drivers.swift.SwiftBackupDriver",
        "backup_swift_auth_url": variable("EMBERKEEP_TEST_KEYSTONE_URL"),
        "backup_swift_auth_version": 3,
        "backup_swift_user": "admin",
        "backup_swift_key": "labadmin",
        "backup_swift_project": "admin",
        "backup_swift_user_domain": "Default",
        "backup_swift_project_domain": "Default",
        "backup_swift_create_storage_policy": "Policy-0",
    }))
    .expect("a configuration");
    let store = crate::open(&config).expect("a store");
    let container = format!("configured-{}", uuid::Uuid::new_v4());
    store.ensure_container(&container).await.expect("a container of that policy");
    assert!(store.list(&container, "", None).await.expect("lists").entries.is_empty());
}

#[tokio::test]
async fn a_missing_container_or_policy_is_explained() {
    let options = SwiftOptions {
        credentials: tempauth(),
        endpoint: Endpoint::default(),
        create_containers: false,
        storage_policy: None,
        client: http::ClientOptions::default(),
        idle_timeout: Duration::from_secs(60),
        segment_bytes: SwiftOptions::SEGMENT_BYTES,
    };
    let container = format!("absent-{}", uuid::Uuid::new_v4());
    let kept_out = SwiftStore::new(options.clone()).expect("a store");
    let error = kept_out.ensure_container(&container).await.expect_err("not made");
    assert!(error.kind() == Kind::NotFound && error.message().contains("backup_create_containers"), "{error}");
    let policy = Some("no-such-policy".to_owned());
    let store = SwiftStore::new(SwiftOptions { create_containers: true, storage_policy: policy, ..options });
    let error = store.expect("a store").ensure_container(&container).await.expect_err("no such policy");
    assert!(error.message().contains("backup_swift_create_storage_policy"), "{error}");
}

async fn make_application_credential(auth_url: &str) -> ApplicationCredential {
    let client = http::client(&http::ClientOptions::default()).expect("a client");
    let credentials = Credentials::Password { auth_url: auth_url.to_owned(), password: password() };
    let token = Session::new(client.clone(), credentials, Duration::from_secs(20)).token().await.expect("a token");
    token.endpoint("identity", Interface::Public, None).expect("Keystone lists itself");
    let get = client.get(format!("{auth_url}/auth/tokens"));
    let get = get.header("x-auth-token", token.header()).header("x-subject-token", token.header());
    let me: Value = get.send().await.expect("an answer").json().await.expect("a token");
    let user_id = me["token"]["user"]["id"].as_str().expect("an id").to_owned();
    let name = format!("suite-{}", uuid::Uuid::new_v4());
    let made: Value = client
        .post(format!("{auth_url}/users/{user_id}/application_credentials"))
        .header("x-auth-token", token.header())
        .json(&json!({"application_credential": {"name": name}}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a credential");
    let text = |key: &str| made["application_credential"][key].as_str().expect(key).to_owned();
    ApplicationCredential { id: text("id"), secret: Secret::new(text("secret")) }
}
