//! A configuration that cannot work: exit code 64, by key and file, before anything is opened.

use std::process::Command;

/// `EX_USAGE` of sysexits.h.
const USAGE: i32 = 64;

#[test]
fn every_section_of_the_scheduler_is_judged_first() {
    let cases = [
        ("scheduler.listen", "[scheduler]\nlisten = '127.0.0.1'"),
        ("scheduler.listen", "[scheduler]\nlisten = 'host:http'"),
        ("scheduler.host", "[scheduler]\nhost = ''"),
        ("scheduler.heartbeat_interval_secs", "[scheduler]\nheartbeat_interval_secs = 0"),
        ("scheduler.lease_ttl_secs", "[scheduler]\nlease_ttl_secs = 1"),
        ("scheduler.lease_ttl_secs", "[scheduler]\nheartbeat_interval_secs = 4294967295"),
        ("scheduler.claim_timeout_secs", "[scheduler]\nclaim_timeout_secs = 0"),
        ("scheduler.tick_ms", "[scheduler]\ntick_ms = 0"),
        ("scheduler.tls_key", "[scheduler]\ntls_certificate = '/nonexistent/a.pem'"),
        (
            "scheduler.tls_certificate",
            "[scheduler]\ntls_certificate = '/nonexistent/a.pem'\ntls_key = '/nonexistent/a.key'",
        ),
        ("scheduler.tls_client_ca", "[scheduler]\ntls_client_ca = '/nonexistent/ca.pem'"),
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

/// Each line that the file lacks, or has wrong, is refused by the key.
fn refused(cases: &[(&str, String)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service.toml");
    for (key, text) in cases {
        std::fs::write(&file, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_emberkeep-scheduler"))
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
