//! Options of Cinder whose meaning depends on others, or that mean something else here.

use std::path::Path;

use super::draft::Draft;
use super::ini::{DEFAULT, Ini};
use super::urls;
use crate::configure::options::Service::{Api, BackupWorker, Scheduler};

const AUTH: &str = "keystone_authtoken";
const NOTIFY: &str = "oslo_messaging_notifications";
const RABBIT: &str = "oslo_messaging_rabbit";
/// What a person must put in the place of.
pub(super) const CHANGE_ME: &str = "CHANGE-ME";
/// What a worker's jobs may hold together, and one of them, unless its file says otherwise.
const BUDGET_BYTES: u64 = 1024 << 20;
const JOB_BYTES: u64 = 256 << 20;

/// Considers all of them. `folder` is where the cinder.conf lies.
pub(super) fn import(ini: &Ini, folder: &Path, draft: &mut Draft) {
    listen(ini, draft);
    keystone(ini, draft);
    policy(ini, folder, draft);
    logs(ini, draft);
    database(ini, draft);
    broker(ini, draft);
    notifications(ini, draft);
    store(ini, draft);
    sizes(ini, draft);
}

fn listen(ini: &Ini, draft: &mut Draft) {
    let strategy = ini.text(DEFAULT, "auth_strategy").unwrap_or_else(|| "keystone".to_owned());
    let host = ini.text(DEFAULT, "osapi_volume_listen").unwrap_or_else(|| "0.0.0.0".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = ini.text(DEFAULT, "osapi_volume_listen_port").unwrap_or_else(|| "8776".to_owned());
    if strategy == "keystone" {
        draft.take("[DEFAULT] auth_strategy", Api, "api", "auth_strategy", "keystone");
        draft.take(
            "[DEFAULT] osapi_volume_listen, osapi_volume_listen_port",
            Api,
            "api",
            "listen",
            format!("{host}:{port}"),
        );
    } else {
        draft.take("[DEFAULT] auth_strategy", Api, "api", "auth_strategy", "noauth");
        draft.set(Api, "api", "listen", format!("127.0.0.1:{port}"));
        draft.leave(
            "[DEFAULT] osapi_volume_listen",
            "without Keystone everybody who reaches the api is let in, so that it listens on this machine alone; see [api] allow_remote_noauth.",
        );
    }
    if ini.is_true(DEFAULT, "osapi_volume_use_ssl") {
        draft.leave(
            "[DEFAULT] osapi_volume_use_ssl",
            "the api speaks plain HTTP: let a proxy in front of it end TLS, and set [api] public_endpoint.",
        );
    }
}

fn keystone(ini: &Ini, draft: &mut Draft) {
    if let Some(section) = ini.text(AUTH, "auth_section") {
        draft.leave(format!("[{AUTH}] auth_section"), format!("copy what [{section}] says into [{AUTH}] of api.toml."));
    }
    let kind = ini.text(AUTH, "auth_type").unwrap_or_else(|| "password".to_owned());
    if !["password", "v3password"].contains(&kind.as_str()) {
        draft.leave(
            format!("[{AUTH}] auth_type"),
            format!("{kind} is not known here: give the api a user with a password, with the role service."),
        );
    }
    for (id, name) in [("user_domain_id", "user_domain_name"), ("project_domain_id", "project_domain_name")] {
        match ini.text(AUTH, id).as_deref() {
            None => {}
            // The domain whose id is so is called `Default`, which is our default.
            Some("default") => draft.take(&format!("[{AUTH}] {id}"), Api, AUTH, name, "Default"),
            Some(_) => draft.leave(format!("[{AUTH}] {id}"), format!("give the domain's name as {name}.")),
        }
    }
}

/// Beside the cinder.conf, unless it says where.
fn policy(ini: &Ini, folder: &Path, draft: &mut Draft) {
    let Some(file) = ini.text("oslo_policy", "policy_file") else { return };
    let path = folder.join(&file);
    if path.exists() {
        draft.take("[oslo_policy] policy_file", Api, "oslo_policy", "policy_file", path.to_string_lossy());
    } else {
        draft.leave(
            "[oslo_policy] policy_file",
            format!("there is no {}; the default rules count, as in Cinder.", path.display()),
        );
    }
}

fn logs(ini: &Ini, draft: &mut Draft) {
    let choices = [("debug", "log_filter", "debug,lapin=off"), ("use_json", "log_format", "json")];
    for (from, option, value) in choices {
        if ini.is_true(DEFAULT, from) {
            for service in super::draft::SERVICES {
                draft.take(&format!("[DEFAULT] {from}"), service, "telemetry", option, value);
            }
        }
    }
}

/// The records stay where they are: another database of the same server, if it is PostgreSQL.
fn database(ini: &Ini, draft: &mut Draft) {
    let connection = ini.text("database", "connection");
    let beside = connection.as_deref().and_then(urls::database);
    let known = beside.is_some();
    let url = beside.unwrap_or_else(|| format!("postgresql://emberkeep:{CHANGE_ME}@127.0.0.1:5432/emberkeep"));
    for service in [Api, Scheduler] {
        draft.set(service, "database", "connection", url.as_str());
    }
    let records = "Cinder's records stay in its own database: bring those of backups over with `cinder backup-export` and \
                   `cinder backup-import` (docs/OPERATING.md).";
    if known {
        draft.leave("[database] connection (but for server and login)", "Emberkeep never opens Cinder's database.");
        draft.do_by_hand(format!(
            "Make an empty database called emberkeep on the PostgreSQL server of Cinder, which the same login owns. {records}"
        ));
    } else {
        draft.leave(
            "[database] connection",
            "Emberkeep keeps its records in PostgreSQL, and this names none on a host.",
        );
        draft.do_by_hand(format!(
            "Make an empty PostgreSQL database and give its URL in [database] connection of api.toml and scheduler.toml. {records}"
        ));
    }
}

fn broker(ini: &Ini, draft: &mut Draft) {
    let given = ini.text(DEFAULT, "transport_url");
    let tls = ini.is_true(RABBIT, "ssl");
    let Some(broker) = urls::broker(given.as_deref().unwrap_or("rabbit://"), tls) else {
        draft.leave("[DEFAULT] transport_url", "only RabbitMQ is known: rabbit://user:password@host:port/vhost.");
        draft.do_by_hand("Give the URL of a RabbitMQ in [messaging] transport_url of all three files.");
        let url = format!("amqp://emberkeep:{CHANGE_ME}@127.0.0.1:5672/%2f");
        for service in super::draft::SERVICES {
            draft.set(service, "messaging", "transport_url", url.as_str());
        }
        return;
    };
    for service in super::draft::SERVICES {
        draft.take("[DEFAULT] transport_url", service, "messaging", "transport_url", broker.url.as_str());
    }
    if broker.others > 0 {
        draft.leave(
            format!("[DEFAULT] transport_url (its {} further hosts)", broker.others),
            "one address is taken, the first: give one that leads to all nodes of the cluster, such as a load balancer's.",
        );
    }
    if ini.text(RABBIT, "ssl_ca_file").is_some() {
        draft.leave(
            format!("[{RABBIT}] ssl_ca_file"),
            "name it in the environment of all three services: SSL_CERT_FILE.",
        );
    }
    if ini.text(RABBIT, "ssl_cert_file").or_else(|| ini.text(RABBIT, "ssl_key_file")).is_some() {
        draft.leave(
            format!("[{RABBIT}] ssl_cert_file, ssl_key_file"),
            "services sign in with a password, not with a certificate.",
        );
    }
}

fn notifications(ini: &Ini, draft: &mut Draft) {
    for driver in ini.all(NOTIFY, "driver").iter().map(|driver| driver.trim()).filter(|driver| !driver.is_empty()) {
        match driver {
            "messaging" | "messagingv2" => {
                for service in [Api, Scheduler] {
                    draft.take(&format!("[{NOTIFY}] driver"), service, NOTIFY, "driver", driver);
                }
            }
            "noop" => {}
            other => {
                draft.leave(format!("[{NOTIFY}] driver = {other}"), "only messaging, messagingv2 and noop are known.")
            }
        }
    }
    let own = ini.text(NOTIFY, "transport_url");
    if own.is_some() && own != ini.text(DEFAULT, "transport_url") {
        draft.leave(format!("[{NOTIFY}] transport_url"), "notifications go through the broker of [messaging].");
    }
}

fn store(ini: &Ini, draft: &mut Draft) {
    let driver = ini
        .text(DEFAULT, "backup_driver")
        .unwrap_or_else(|| "cinder.backup.drivers.swift.SwiftBackupDriver".to_owned());
    let mut set = |from: &str, option: &str, value: &str| {
        draft.take(&format!("[DEFAULT] {from}"), BackupWorker, "store", option, value);
    };
    if driver.contains("drivers.posix") {
        set("backup_driver", "backup_driver", "cinder.backup.drivers.posix.PosixBackupDriver");
        let state = ini.text(DEFAULT, "state_path").unwrap_or_else(|| "/var/lib/cinder".to_owned());
        let path = ini.text(DEFAULT, "backup_posix_path").unwrap_or_else(|| format!("{state}/backup"));
        set("backup_posix_path", "backup_posix_path", &path);
        return;
    }
    set("backup_driver", "backup_driver", "cinder.backup.drivers.swift.SwiftBackupDriver");
    if !driver.contains("drivers.swift") {
        draft.leave(
            "[DEFAULT] backup_driver",
            format!("{driver} is not known: only Swift and posix are, and what it stored cannot be read."),
        );
        draft.do_by_hand("Say in [store] of backup-worker.toml where backups shall go from now on.");
    } else if ini.text(DEFAULT, "backup_swift_auth").as_deref() == Some("single_user") {
        draft.take("[DEFAULT] backup_swift_auth", BackupWorker, "store", "backup_swift_auth", "single_user");
        version(ini, draft);
        return;
    } else {
        draft.leave(
            "[DEFAULT] backup_swift_auth (per_user, Cinder's default)",
            "backups lie in one account here, whose user the workers sign in as; those in the accounts of projects stay with cinder-backup, \
             or are copied to that account with their container.",
        );
        draft.do_by_hand(format!(
            "Make a user who may store in Swift (docs/OPERATING.md), and give it in [store] of backup-worker.toml where it says {CHANGE_ME}."
        ));
    }
    draft.set(BackupWorker, "store", "backup_swift_auth_version", "3");
    let auth_url = ini.text(DEFAULT, "backup_swift_auth_url").or_else(|| ini.text(AUTH, "auth_url"));
    let auth_url = auth_url.unwrap_or_else(|| format!("http://{CHANGE_ME}:5000/v3"));
    draft.set(BackupWorker, "store", "backup_swift_auth_url", auth_url);
    for option in ["backup_swift_user", "backup_swift_key", "backup_swift_project"] {
        if ini.text(DEFAULT, option).is_none() {
            draft.set(BackupWorker, "store", option, CHANGE_ME);
        }
    }
}

fn version(ini: &Ini, draft: &mut Draft) {
    let version = ini.text(DEFAULT, "backup_swift_auth_version").unwrap_or_else(|| "1".to_owned());
    match version.as_str() {
        "2" | "2.0" => {
            draft.set(BackupWorker, "store", "backup_swift_auth_version", "3");
            draft.leave(
                "[DEFAULT] backup_swift_auth_version = 2",
                "Keystone has dropped it: it is 3 now; see that the URL ends with /v3.",
            );
        }
        version => draft.take(
            "[DEFAULT] backup_swift_auth_version",
            BackupWorker,
            "store",
            "backup_swift_auth_version",
            version,
        ),
    }
    if version.starts_with('1') {
        for option in
            ["backup_swift_tenant", "backup_swift_project", "backup_swift_user_domain", "backup_swift_project_domain"]
        {
            if ini.text(DEFAULT, option).is_some() {
                draft.leave(format!("[DEFAULT] {option}"), "it means nothing with backup_swift_auth_version = 1.");
            }
        }
    }
}

/// Slots and objects must fit into what a worker's jobs may hold together.
fn sizes(ini: &Ini, draft: &mut Draft) {
    let slots = ini.text(DEFAULT, "backup_max_operations").and_then(|text| text.parse::<u64>().ok());
    match slots {
        Some(0) => draft.leave("[DEFAULT] backup_max_operations = 0", "a number of jobs at once is needed; it is 4."),
        Some(slots) => {
            draft.take("[DEFAULT] backup_max_operations", BackupWorker, "worker", "backup_max_operations", slots)
        }
        None => {}
    }
    let share = JOB_BYTES.min(BUDGET_BYTES / slots.unwrap_or(4).max(1));
    let default = storage::Config::default().chunk_size_bytes();
    if share < default {
        let mib = default.div_ceil(1 << 20) * slots.unwrap_or(1);
        draft.set(BackupWorker, "engine", "worker_memory_budget_mib", mib);
        draft.do_by_hand(format!(
            "So many jobs at once need {mib} MiB of memory in each worker: see [worker] backup_max_operations."
        ));
    }
    for option in ["backup_swift_object_size", "backup_file_size"] {
        let Some(size) = ini.text(DEFAULT, option).and_then(|text| text.parse::<u64>().ok()) else { continue };
        if size <= share {
            draft.take(&format!("[DEFAULT] {option}"), BackupWorker, "store", option, size);
        } else {
            draft.leave(
                format!("[DEFAULT] {option}"),
                format!("so large an object is more than a job may hold; new ones have {default} bytes, and the old ones are read as they are."),
            );
        }
    }
}
