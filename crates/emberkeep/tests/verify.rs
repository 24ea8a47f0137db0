//! `emberkeep verify` against `emberkeep serve`, as an operator types both.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PROJECT: &str = "deadbeefdeadbeefdeadbeefdeadbeef";
const PATIENCE: Duration = Duration::from_secs(60);

/// The one process on a free port; it ends with the test.
struct Service {
    process: Child,
    endpoint: String,
    data: tempfile::TempDir,
    http: reqwest::Client,
    /// It has more to say, and must be able to.
    _output: BufReader<ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

impl Service {
    fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut process = Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .args(["serve", "--data-dir", data.path().to_str().expect("a path")])
            .env("EMBERKEEP_API__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut greeting = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        output.read_line(&mut greeting).expect("a greeting");
        let words = greeting.split([' ', ',']).find(|word| word.starts_with("http")).expect("an address");
        let http = openstack::http::client(&openstack::http::ClientOptions::default()).expect("a client");
        Self { process, endpoint: format!("{words}/{PROJECT}"), data, http, _output: output }
    }

    async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.endpoint))).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(self.http.post(format!("{}{path}", self.endpoint)).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.header("x-auth-token", format!("demo:{PROJECT}")).send().await.expect("an answer");
        serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
    }

    /// Makes it and waits until it is available.
    async fn make(&self, noun: &str, body: Value) -> String {
        let made = self.post(&format!("/{noun}s"), json!({ noun: body })).await;
        let id = made[noun]["id"].as_str().expect("an id").to_owned();
        let deadline = Instant::now() + PATIENCE;
        while self.get(&format!("/{noun}s/{id}")).await[noun]["status"] != "available" {
            assert!(Instant::now() < deadline, "{noun} {id} does not become available");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        id
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .arg("verify")
            .args(arguments)
            .env("OS_ENDPOINT", &self.endpoint)
            .env("OS_TOKEN", format!("demo:{PROJECT}"))
            .output()
            .expect("the binary starts")
    }
}

/// The exit code and the sentence, which is all that is said.
fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).expect("text").trim().to_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code(), text)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_proven_until_it_is_damaged() {
    let service = Service::start();
    let volume = service.make("volume", json!({"size": 1})).await;
    let path = service.data.path().join("volumes").join(format!("volume-{volume}"));
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("the volume's file");
    file.write_all_at(b"hello", 0).expect("written");
    let backup = service.make("backup", json!({"volume_id": volume, "name": "nightly"})).await;

    let (code, text) = told(&service.verify(&[&backup, "--last"]));
    assert!(code == Some(1) && text.contains("never verified"), "{code:?} {text}");
    let (code, text) = told(&service.verify(&["nightly", "--wait"]));
    assert!(code == Some(0) && text.starts_with(&format!("Backup {backup} is proven")), "{code:?} {text}");
    assert_eq!(told(&service.verify(&[&backup, "--last"])), (Some(0), text));

    let objects = files_below(&service.data.path().join("store"));
    let object = objects.iter().find(|path| path.to_string_lossy().ends_with("-00001")).expect("an object");
    std::fs::write(object, b"something else").expect("written");
    let (code, text) = told(&service.verify(&[&backup, "--wait"]));
    let name = object.file_name().expect("a name").to_string_lossy();
    assert!(code == Some(3) && text.contains("is damaged") && text.contains(&*name), "{code:?} {text}");
    assert_eq!(told(&service.verify(&["nightly", "--last"])).0, Some(3));
    let (code, text) = told(&service.verify(&[&backup]));
    assert!(code == Some(0) && text.contains("will be verified by job"), "{code:?} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_question_from_being_answered_is_one_sentence() {
    let service = Service::start();
    let volume = service.make("volume", json!({"size": 1})).await;
    for _ in 0..2 {
        service.make("backup", json!({"volume_id": volume, "name": "twice"})).await;
    }
    for (backup, sentence) in [
        ("nobody", "There is no backup nobody."),
        (volume.as_str(), "could not be found. (HTTP 404)"),
        ("twice", "There are 2 backups called twice: give the id."),
    ] {
        let (code, text) = told(&service.verify(&[backup, "--wait"]));
        assert!(code == Some(1) && text.starts_with("emberkeep: ") && text.contains(sentence), "{code:?} {text}");
    }
    let alone = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberkeep"));
        command.args(["verify", &volume]).env_clear().envs(variables.iter().copied());
        told(&command.output().expect("the binary starts"))
    };
    let closed = format!("http://127.0.0.1:1/v3/{PROJECT}");
    for (variables, sentence) in [
        (&[("OS_TOKEN", "t")][..], "OS_ENDPOINT"),
        (&[("OS_ENDPOINT", closed.as_str())], "OS_TOKEN"),
        (
            &[("OS_ENDPOINT", closed.as_str()), ("OS_TOKEN", "t")],
            "127.0.0.1:1/v3/deadbeefdeadbeefdeadbeefdeadbeef cannot be",
        ),
        (&[("OS_AUTH_URL", "http://127.0.0.1:1/v3")], "OS_USERNAME is missing"),
    ] {
        let (code, text) = alone(variables);
        assert!(code == Some(1) && text.contains(sentence), "{code:?} {text}");
    }
}
