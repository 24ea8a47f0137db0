//! No secret in any log or answer: the one process, at level `trace`, with a secret in every URL and key that it takes, against servers
//! that hear the secret and then fail.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
const PROJECT: &str = "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa";
/// In all secrets of this test, and in nothing else.
const MARK: &str = "hunter2";

/// A server that listens to one conversation after another, and remembers what it was told.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// `talk` answers as long as it is not put off; then the connection is cut.
    fn start(talk: fn(&mut TcpStream, &Mutex<Vec<u8>>) -> io::Result<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&heard);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let memory = Arc::clone(&memory);
                std::thread::spawn(move || {
                    drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
                    talk(&mut stream, &memory)
                });
            }
        });
        Self { port, heard }
    }

    fn heard(&self, secret: &str) -> bool {
        let heard = self.heard.lock().expect("not poisoned");
        heard.windows(secret.len()).any(|window| window == secret.as_bytes())
    }
}

/// The next bytes that come, kept.
fn listen(stream: &mut TcpStream, memory: &Mutex<Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 65_536];
    let length = stream.read(&mut bytes)?;
    bytes.truncate(length);
    memory.lock().expect("not poisoned").extend_from_slice(&bytes);
    if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

/// Refuses every request, and repeats it as the reason.
fn refuse_http(stream: &mut TcpStream, memory: &Mutex<Vec<u8>>) -> io::Result<()> {
    let request = listen(stream, memory)?;
    // A body may come a moment after its head.
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let rest = listen(stream, memory).unwrap_or_default();
    write!(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n", request.len() + rest.len())?;
    stream.write_all(&request)?;
    stream.write_all(&rest)
}

/// Asks for the password in plain text and then refuses it.
fn refuse_postgres(stream: &mut TcpStream, memory: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut message = listen(stream, memory)?;
    if message == [0, 0, 0, 8, 4, 210, 22, 47] {
        // No TLS.
        stream.write_all(b"N")?;
        message = listen(stream, memory)?;
    }
    assert!(message.len() > 8, "a start");
    stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3])?;
    listen(stream, memory)?;
    let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user\0\0";
    stream.write_all(b"E")?;
    stream.write_all(&(fields.len() as u32 + 4).to_be_bytes())?;
    stream.write_all(fields)
}

/// Greets as RabbitMQ does, hears who comes, and hangs up.
fn refuse_amqp(stream: &mut TcpStream, memory: &Mutex<Vec<u8>>) -> io::Result<()> {
    listen(stream, memory)?;
    // Connection.Start: version 0-9, no properties, the mechanism and a language.
    let mut start = vec![0, 10, 0, 10, 0, 9, 0, 0, 0, 0];
    for text in ["PLAIN", "en_US"] {
        start.extend((text.len() as u32).to_be_bytes());
        start.extend(text.bytes());
    }
    stream.write_all(&[1, 0, 0])?;
    stream.write_all(&(start.len() as u32).to_be_bytes())?;
    stream.write_all(&start)?;
    stream.write_all(&[0xCE])?;
    listen(stream, memory).map(drop)
}

/// `emberkeep serve` with everything it says in a file.
struct Process {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Process {
    fn start(configuration: &str, format: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let file = folder.path().join("emberkeep.toml");
        let text = configuration.replace("[api]\n", &format!("[api]\nlisten = '127.0.0.1:{port}'\n"));
        fs::write(&file, format!("{text}\n[telemetry]\nlog_filter = 'trace'\nlog_format = '{format}'\n"))
            .expect("written");
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .args(["serve", "--config", file.to_str().expect("text"), "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        Self { child, folder, port }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).expect("a log")).into_owned()
    }

    /// Waits for what must happen while the process runs.
    fn until(&self, what: &str, mut look: impl FnMut() -> bool) {
        let give_up = Instant::now() + DEADLINE;
        while !look() {
            assert!(Instant::now() < give_up, "{what} never came; the log ends:\n{}", tail(&self.log()));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets it end by itself, or in order, and reads what it said.
    fn everything(mut self, of_itself: bool) -> String {
        if !of_itself {
            let told = Command::new("kill").arg(self.child.id().to_string()).status().expect("told");
            assert!(told.success());
        }
        let give_up = Instant::now() + DEADLINE;
        while self.child.try_wait().expect("a state").is_none() {
            assert!(Instant::now() < give_up, "it goes on; the log ends:\n{}", tail(&self.log()));
            std::thread::sleep(Duration::from_millis(50));
        }
        self.log()
    }

    /// A request without a library, whose own log would be in the way. Answers status and body.
    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let head = format!(
            "{method} /v3{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Auth-Token: {token}\r\n\
             X-Service-Token: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             OpenStack-API-Version: volume 3.71\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

/// In no form: neither as it is nor as the list of numbers that a buffer shows.
fn assert_silent(log: &str, secrets: &[&str]) {
    for secret in secrets {
        let bytes = format!("{:?}", secret.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        let told = |line: &&str| line.contains(secret) || line.contains(bytes);
        let lines: Vec<_> = log.lines().filter(told).take(5).collect();
        assert!(lines.is_empty(), "{secret} was told:\n{}", lines.join("\n"));
    }
}

#[test]
fn the_databases_password_stays_out_of_the_log() {
    let server = Server::start(refuse_postgres);
    let secret = format!("{MARK}-database");
    let at =
        |port: u16| format!("[database]\nconnection = 'postgresql://emberkeep:{secret}@127.0.0.1:{port}/emberkeep'\n");
    let refused =
        (Process::start(&at(server.port), "text"), "refuses the login: see user and password in [database] connection");
    // Nobody listens on port 1.
    let away = (Process::start(&at(1), "json"), "PostgreSQL at 127.0.0.1:1 does not answer: see that it runs");
    for (process, said) in [refused, away] {
        process.until(said, || process.log().contains(said));
        assert_silent(&process.everything(false), &[&secret]);
    }
    assert!(server.heard(&secret), "the password was sent");
}

#[test]
fn the_brokers_password_and_keystones_and_tokens_stay_out_of_the_log() {
    let (broker, keystone) = (Server::start(refuse_amqp), Server::start(refuse_http));
    let [of_broker, of_keystone, token] = ["broker", "keystone", "token"].map(|what| format!("{MARK}-{what}"));
    let process = Process::start(
        &format!(
            "[api]\nauth_strategy = 'keystone'\n\
             [keystone_authtoken]\nauth_url = 'http://127.0.0.1:{}/v3'\nusername = 'cinder'\npassword = '{of_keystone}'\n\
             project_name = 'service'\nuser_domain_name = 'Default'\nproject_domain_name = 'Default'\n\
             [messaging]\ntransport_url = 'amqp://emberkeep:{of_broker}@127.0.0.1:{}/%2f'",
            keystone.port, broker.port
        ),
        "text",
    );
    process.until("the api", || TcpStream::connect(("127.0.0.1", process.port)).is_ok());
    process.until("the broker's password", || broker.heard(&of_broker));
    let (status, answer) = process.ask("GET", "/volumes", &token, &Value::Null);
    assert!(status >= 400 && !answer.to_string().contains(MARK), "{answer}");
    process.until("Keystone's password", || keystone.heard(&of_keystone));
    process.until("the loss of the broker", || process.log().contains("broker at amqp://127.0.0.1"));
    let log = process.everything(false);
    assert!(log.contains("TRACE"), "the log has no trace of anything:\n{}", tail(&log));
    assert_silent(&log, &[&of_broker, &of_keystone, &token]);
}

#[test]
fn the_stores_keys_and_what_requests_carry_stay_out_of_the_log() {
    for (version, format) in [("1", "text"), ("3", "json")] {
        let store = Server::start(refuse_http);
        let [key, transfer_key, chap] = ["key", "transfer", "chap"].map(|what| format!("{MARK}-{what}"));
        let (path, names) = match version {
            "1" => ("auth/v1.0", ""),
            _ => {
                let names = "backup_swift_project = 'service'\nbackup_swift_user_domain = 'Default'\n\
                             backup_swift_project_domain = 'Default'\n";
                ("v3", names)
            }
        };
        let process = Process::start(
            &format!(
                "[api]\n[store]\nbackup_driver = 'cinder.backup.drivers.swift.SwiftBackupDriver'\n\
                 backup_swift_auth = 'single_user'\nbackup_swift_auth_version = '{version}'\n\
                 backup_swift_auth_url = 'http://127.0.0.1:{}/{path}'\nbackup_swift_user = 'emberkeep'\n\
                 backup_swift_key = '{key}'\n{names}backup_swift_retry_attempts = 1\nbackup_swift_retry_backoff = 1",
                store.port
            ),
            format,
        );
        process.until("the api", || TcpStream::connect(("127.0.0.1", process.port)).is_ok());
        let token = format!("somebody:{PROJECT}");
        let ask = |method: &str, path: &str, body: Value| process.ask(method, path, &token, &body);
        let (status, volume) = ask("POST", "/volumes", json!({"volume": {"size": 1}}));
        assert_eq!(status, 202, "{volume}");
        let id = volume["volume"]["id"].as_str().expect("an id").to_owned();
        let status_of =
            |noun: &str, id: &str| ask("GET", &format!("/{noun}s/{id}"), Value::Null).1[noun]["status"].clone();
        process.until("the volume", || status_of("volume", &id) == "available");

        let backup = json!({"backup": {"volume_id": id, "container": "c"}});
        let (_, backup) = ask("POST", "/backups", backup);
        let backup = backup["backup"]["id"].as_str().expect("an id").to_owned();
        process.until("the store's key", || store.heard(&key));
        process.until("the end of the backup", || status_of("backup", &backup) == "error");

        let connector = json!({"host": "h", "initiator": "iqn.1", "auth_password": chap});
        let (_, attachment) =
            ask("POST", "/attachments", json!({"attachment": {"volume_uuid": id, "connector": connector}}));
        let attachment = attachment["attachment"]["id"].as_str().expect("an id").to_owned();
        ask("DELETE", &format!("/attachments/{attachment}"), Value::Null);
        process.until("the detached volume", || status_of("volume", &id) == "available");
        let (_, transfer) = ask("POST", "/volume-transfers", json!({"transfer": {"volume_id": id}}));
        let (transfer, true_key) = (&transfer["transfer"]["id"], &transfer["transfer"]["auth_key"]);
        let (transfer, true_key) = (transfer.as_str().expect("an id"), true_key.as_str().expect("a key"));
        let accept = format!("/volume-transfers/{transfer}/accept");
        let (status, answer) = ask("POST", &accept, json!({"accept": {"auth_key": transfer_key}}));
        assert!(status == 400 && !answer.to_string().contains(MARK), "a wrong key: {answer}");
        let (_, row) = ask("GET", &format!("/backups/{backup}"), Value::Null);
        assert!(row["backup"]["fail_reason"].is_string() && !row.to_string().contains(MARK), "{row}");
        let log = process.everything(false);
        assert!(log.contains("TRACE"), "the log has no trace of anything:\n{}", tail(&log));
        assert_silent(&log, &[&key, &transfer_key, true_key, &chap]);
    }
}

#[test]
fn a_configuration_that_is_refused_is_not_repeated() {
    for text in [
        format!("[database]\nconnection = 'mysql://u:{MARK}@h/d'"),
        format!("[messaging]\ntransport_url = 'amqp://u:{MARK}@h:port/%2f'"),
        format!("[store]\nbackup_driver = 'swift'\nbackup_swift_key = ['{MARK}']"),
        format!("[api]\nauth_strategy = 'keystone'\n[keystone_authtoken]\npassword = {{ text = '{MARK}' }}"),
        format!("[database]\nconnection = ['postgresql://u:{MARK}@h/d']"),
    ] {
        let process = Process::start(&text, "text");
        let log = process.everything(true);
        assert!(log.contains("emberkeep: ") && !log.contains(MARK), "{log}");
    }
}
