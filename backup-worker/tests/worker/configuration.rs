//! A configuration that cannot work: exit code 64, by key and file, before anything is opened. And one that can, when what it names
//! is there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

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

/// What `GET /readyz` says, once the health address is there.
fn health(port: u16) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        drop(stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: h\r\n\r\n"));
        drop(stream.read_to_string(&mut answer));
    }
    answer
}

fn wait_for_health(port: u16, is_so: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let told = health(port);
        if is_so(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pool_that_comes_later_is_named_and_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mount, log) = (folder.path().join("mount"), folder.path().join("log"));
    std::fs::write(&mount, "not a directory").expect("written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let file = folder.path().join("service.toml");
    let place = folder.path().display();
    let text = format!(
        "[worker]\nscheduler_url = 'http://127.0.0.1:9'\nspool_dir = '{place}/spool'\n[[pools]]\nname = 'fast'\npath = '{place}/mount/pool'\n\
         [store]\nbackup_driver = 'posix'\nbackup_posix_path = '{place}/store'\n[health]\nlisten = '127.0.0.1:{port}'\n"
    );
    std::fs::write(&file, text).expect("written");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_emberkeep-backup-worker"))
        .arg("--config")
        .arg(&file)
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("started");
    let sentence =
        format!("Could not open pool fast at {place}/mount/pool: something on its way is a file and no directory.");
    wait_for_health(port, |told| told.contains(&format!("\"pool fast\":\"{sentence}\"")));
    std::fs::remove_file(&mount).expect("removed");
    wait_for_health(port, |told| told.contains("\"troubles\":") && !told.contains("pool fast"));
    wait_for_health(port, |told| told.contains("The scheduler at http://127.0.0.1:9 has not been heard of"));
    worker.kill().and_then(|()| worker.wait()).expect("ended");
    let told = std::fs::read_to_string(&log).expect("a log");
    assert!(told.contains(&sentence) && told.contains("pool fast is well again"), "{told}");
    assert!(folder.path().join("mount/pool").is_dir());
}
