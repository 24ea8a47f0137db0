//! `emberkeep config import`: a cinder.conf as an operator has it, and services that start with what is made of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use emberkeep::config::DataDirectory;
use emberkeep::{OneProcess, Sections};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::service::PROJECT;

/// In every secret, and in nothing else.
const MARK: &str = "hunter2";
const NO_VARIABLES: &str = "EMBERKEEP_TEST_IMPORT";

fn write(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("cinder.conf");
    std::fs::write(&file, text).expect("written");
    file
}

fn import(folder: &Path, more: &[&str]) -> Output {
    let to = folder.join("ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberkeep"));
    command.args(["config", "import", "--to"]).arg(to).arg(folder.join("cinder.conf")).args(more);
    command.output().expect("it runs")
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn a_cloud_with_swift_and_keystone_comes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), "\"backup:create\": \"role:member\"\n").expect("written");
    write(
        folder.path(),
        "[DEFAULT]\nenabled_backends = lvm-1\ntransport_url = rabbit://openstack:hunter2-mq@controller:5672/\nauth_strategy = keystone\n\
         state_path = /var/lib/cinder\nbackup_driver = cinder.backup.drivers.swift.SwiftBackupDriver\nbackup_swift_auth = single_user\n\
         backup_swift_auth_version = 3\nbackup_swift_auth_url = http://controller:5000/v3\nbackup_swift_user = backup\n\
         backup_swift_key = hunter2$$swift\nbackup_swift_project = service\nbackup_swift_user_domain = Default\n\
         backup_swift_project_domain = Default\nbackup_swift_container = vault\nbackup_compression_algorithm = zlib\nbackup_workers = 4\n\
         backup_max_operations = 15\nquota_backups = 50\nservice_down_time = 90\nstorage_availability_zone = az1\n\n\
         [database]\nconnection = postgresql+psycopg2://cinder:hunter2-db@controller/cinder\nmax_pool_size = 20\n\n\
         [keystone_authtoken]\nwww_authenticate_uri = http://controller:5000\nauth_url = http://controller:5000\n\
         memcached_servers = controller:11211\nauth_type = password\nproject_domain_name = Default\nuser_domain_id = default\n\
         project_name = service\nusername = cinder\npassword = hunter2-ks\n\n[lvm-1]\nvolume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver\n\
         volume_group = cinder-volumes\nvolume_backend_name = gold\ntarget_helper = lioadm\n\n[oslo_policy]\npolicy_file = rules.yaml\n\n\
         [oslo_messaging_notifications]\ndriver = messagingv2\n\n[oslo_concurrency]\nlock_path = $state_path/tmp\n",
    );
    let output = import(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(!told(&output).contains(MARK), "{}", told(&output));
    for part in
        ["backup_workers: one worker", "memcached_servers: ", "empty database called emberkeep", "cinder backup-export"]
    {
        assert!(told(&output).contains(part), "{part}\n{}", told(&output));
    }
    let path = |file: &str| folder.path().join("ours").join(file);
    for file in ["api.toml", "scheduler.toml", "backup-worker.toml"] {
        let mode = std::fs::metadata(path(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let api: api::Sections =
        chassis::config::load_checked(Some(&path("api.toml")), NO_VARIABLES, api::Sections::check).expect("api");
    assert_eq!(api.database.connection, "postgresql://cinder:hunter2-db@controller/emberkeep");
    assert_eq!((api.database.max_pool_size, api.quota.quota_backups, api.api.service_down_time_secs), (20, 50, 90));
    assert_eq!(api.messaging.transport_url, "amqp://openstack:hunter2-mq@controller:5672/%2f");
    assert_eq!(
        (api.keystone_authtoken.username.as_str(), api.keystone_authtoken.password.expose()),
        ("cinder", "hunter2-ks")
    );
    assert!(api.oslo_policy.policy_file.is_some_and(|file| file.ends_with("rules.yaml")));
    let check = backup_worker::Sections::check;
    let worker = chassis::config::load_checked(Some(&path("backup-worker.toml")), NO_VARIABLES, check).expect("worker");
    assert_eq!(worker.store.backup_swift_key.as_ref().map(|key| key.expose()), Some("hunter2$swift"));
    assert_eq!((worker.worker.backup_max_operations, worker.worker.storage_availability_zone.as_str()), (15, "az1"));
    assert_eq!(worker.pools[0].volume_backend_name.as_deref(), Some("gold"));
    assert_eq!(worker.pools[0].manage_paths, [PathBuf::from("/dev/cinder-volumes")]);

    let again = import(folder.path(), &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("api.toml is there already: give --force"), "{}", told(&again));
    assert_eq!(import(folder.path(), &["--force"]).status.code(), Some(0));
}

#[test]
fn what_no_service_would_start_with_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "[DEFAULT]\nbackup_swift_auth = single_user\nbackup_swift_key = hunter2\n");
    let output = import(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    for part in
        ["emberkeep-backup-worker does not start with its file yet", "backup_swift_auth_url", "emberkeep-api does not"]
    {
        assert!(told(&output).contains(part), "{part}\n{}", told(&output));
    }
    write(folder.path(), "[DEFAULT\n");
    let output = import(folder.path(), &["--force"]);
    assert!(told(&output).contains("cinder.conf: line 1 is no [section]"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_with_what_was_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (backups, mounts) = (folder.path().join("backups"), folder.path().join("mnt"));
    write(
        folder.path(),
        &format!(
            "[DEFAULT]\nauth_strategy = noauth\nstate_path = {}\nbackup_driver = cinder.backup.drivers.posix.PosixBackupDriver\n\
             backup_posix_path = $state_path/backups\nenabled_backends = nfs\nquota_volumes = 1\n[nfs]\n\
             volume_driver = cinder.volume.drivers.nfs.NfsDriver\nnas_host = filer\nnas_share_path = /vol\nnfs_mount_point_base = {}\n",
            folder.path().display(),
            mounts.display()
        ),
    );
    let output = import(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let path = |file: &str| folder.path().join("ours").join(file);
    let api: api::Sections = chassis::config::load(Some(&path("api.toml")), NO_VARIABLES).expect("api");
    let worker: backup_worker::Sections =
        chassis::config::load(Some(&path("backup-worker.toml")), NO_VARIABLES).expect("worker");
    let pool = &worker.pools[0].path;
    assert_eq!(pool, &mounts.join("959718fec369ac24f0c3a976754ebb25"), "the directory is called as Cinder calls it");
    assert_eq!(worker.store.backup_posix_path, Some(backups));
    let sections = Sections {
        api: api::Config { listen: "127.0.0.1:0".to_owned(), ..api.api },
        quota: api.quota,
        worker: worker.worker,
        pools: worker.pools.clone(),
        store: Some(worker.store),
        ..Sections::default()
    };
    openstack::http::install_crypto_provider();
    let data = DataDirectory::open(&folder.path().join("data")).expect("a directory");
    let process = OneProcess::start(sections, &data, CancellationToken::new()).await.expect("it starts");
    let http = openstack::http::client(&openstack::http::ClientOptions::default()).expect("a client");
    let make = async |body: &serde_json::Value| {
        let url = format!("{}/v3/{PROJECT}/volumes", process.endpoint());
        let request = http.post(url).header("x-auth-token", format!("demo:{PROJECT}")).json(body);
        request.send().await.expect("an answer").status().as_u16()
    };
    let body = json!({"volume": {"size": 1}});
    assert_eq!((make(&body).await, make(&body).await), (202, 413), "one volume is all that the quota allows");
    assert!(pool.is_dir());
    process.stop().await.expect("it stops");
}
