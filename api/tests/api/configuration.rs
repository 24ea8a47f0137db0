//! A configuration that cannot work: exit code 64, by key and file, before anything is opened.

use std::process::Command;

/// `EX_USAGE` of sysexits.h.
const USAGE: i32 = 64;

#[test]
fn every_section_of_the_api_is_judged_first() {
    let cases = [
        ("api.listen", "[api]\nlisten = '127.0.0.1'"),
        ("api.listen", "[api]\nlisten = '127.0.0.1:99999'"),
        ("api.listen", "[api]\nlisten = '0.0.0.0:0'"),
        ("api.listen", "[api]\nlisten = '[::]:0'"),
        ("api.public_endpoint", "[api]\npublic_endpoint = 'not a url'"),
        ("api.osapi_max_limit", "[api]\nosapi_max_limit = 0"),
        ("api.max_request_body_bytes", "[api]\nmax_request_body_bytes = 0"),
        ("api.request_timeout_secs", "[api]\nrequest_timeout_secs = 0"),
        ("api.service_down_time_secs", "[api]\nservice_down_time_secs = 0"),
        ("api.project_id_regex", "[api]\nproject_id_regex = '('"),
        ("api.nonsense", "[api]\nnonsense = 1"),
        ("quota.quota_volumes", "[quota]\nquota_volumes = -5"),
        ("quota.quota_backup_gigabytes", "[quota]\nquota_backup_gigabytes = -2"),
        ("database.connection", "[database]\nconnection = 'mysql://u:hunter2@h/d'"),
        ("database.connection", "[database]\nconnection = 'postgresql://u:hunter2@h:port/d'"),
        ("database.max_pool_size", "[database]\nconnection = 'sqlite://a.db'\nmax_pool_size = 0"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'kafka://u:hunter2@h'"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'amqp:'"),
        ("telemetry.log_filter", "[telemetry]\nlog_filter = 'a=b=c'"),
        ("telemetry.otlp_endpoint", "[telemetry]\notlp_endpoint = 'collector'"),
    ];
    refused(&cases.map(|(key, text)| (key, text.to_owned())));
}

#[test]
fn no_limit_and_a_remote_address_can_be_wished_for() {
    let api = api::Config { listen: "0.0.0.0:8776".into(), allow_remote_noauth: true, ..api::Config::default() };
    let quota = api::QuotaConfig { quota_volumes: -1, quota_backups: 0, ..api::QuotaConfig::default() };
    api::Sections { api, quota, ..api::Sections::default() }.check().expect("a good configuration");
}

/// Each line that the file lacks, or has wrong, is refused by the key.
fn refused(cases: &[(&str, String)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service.toml");
    for (key, text) in cases {
        std::fs::write(&file, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_emberkeep-api"))
            .arg("--config")
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .expect("started");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(USAGE), "{text}\n{complaint}");
        let expected = format!("configuration key `{key}` ({}", file.display());
        assert!(complaint.contains(&expected), "{text}\n{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
        let entries = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(entries, 1, "{text}: something was made");
    }
}
