//! A configuration that cannot work: exit code 64, by key and file, before anything is opened.

use std::process::Command;

/// `EX_USAGE` of sysexits.h.
const USAGE: i32 = 64;

#[test]
fn every_section_of_the_worker_is_judged_first() {
    let store = "[store]\nbackup_driver = 'posix'\nbackup_posix_path = '/nonexistent/store'";
    let pool = "[[pools]]\nname = 'a'\npath = 'a'";
    let cases = [
        ("worker.scheduler_url", "[worker]\nscheduler_url = '127.0.0.1:8790'"),
        ("worker.scheduler_ca", "[worker]\nscheduler_url = 'https://127.0.0.1:8790'"),
        ("worker.scheduler_ca", "[worker]\nscheduler_ca = '/nonexistent/ca.pem'"),
        ("worker.tls_key", "[worker]\nscheduler_url = 'https://h:1'\ntls_certificate = '/nonexistent/a.pem'"),
        ("worker.host", "[worker]\nhost = ''"),
        ("worker.spool_dir", "[worker]\nspool_dir = ''"),
        ("worker.backup_max_operations", "[worker]\nbackup_max_operations = 0"),
        ("engine.transfers", "[engine]\ntransfers = 0"),
        ("engine.memory_budget_mib", "[engine]\nmemory_budget_mib = 1"),
        ("pools[1].name", "[[pools]]\nname = 'a'\npath = 'b'"),
        ("pools[1].name", "[[pools]]\nname = ''\npath = 'b'"),
        ("pools[1].name", "[[pools]]\nname = 'a/b'\npath = 'b'"),
        ("pools[1].name", "[[pools]]\nname = 'a#b'\npath = 'b'"),
        ("pools[1].name", "[[pools]]\nname = 'a@b'\npath = 'b'"),
        ("pools[1].path", "[[pools]]\nname = 'b'\npath = ''"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'kafka://u:hunter2@h'"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'amqp:'"),
        ("telemetry.log_filter", "[telemetry]\nlog_filter = 'a=b=c'"),
        ("telemetry.otlp_endpoint", "[telemetry]\notlp_endpoint = 'collector'"),
    ];
    refused(&cases.map(|(key, text)| (key, format!("{store}\n{pool}\n{text}"))));
    refused(&[
        ("pools", store.to_owned()),
        ("store", pool.to_owned()),
        ("store", format!("{pool}\n[store]\nbackup_driver = 'posix'")),
    ]);
}

/// Each line that the file lacks, or has wrong, is refused by the key.
fn refused(cases: &[(&str, String)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service.toml");
    for (key, text) in cases {
        std::fs::write(&file, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_emberkeep-backup-worker"))
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
