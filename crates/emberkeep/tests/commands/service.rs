//! `emberkeep serve` as an operator starts it, and the same binary as its client.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "deadbeefdeadbeefdeadbeefdeadbeef";
/// The trace of what the tests ask for, and the span that they say they are in.
pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const PARENT_ID: &str = "00f067aa0ba902b7";
const PATIENCE: Duration = Duration::from_secs(60);

/// The one process on a free port; it ends with the test.
pub(crate) struct Service {
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
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these variables besides.
    pub(crate) fn start_with(variables: &[(&str, String)]) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut process = Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .args(["serve", "--data-dir", data.path().to_str().expect("a path")])
            .env("EMBERKEEP_API__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .env("EMBERKEEP_TELEMETRY__LOG_FORMAT", "json")
            .env("EMBERKEEP_HEALTH__LISTEN", "127.0.0.1:0")
            .stderr(std::fs::File::create(data.path().join("log")).expect("a log"))
            .spawn()
            .expect("it starts");
        let mut greeting = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        output.read_line(&mut greeting).expect("a greeting");
        let words = greeting.split([' ', ',']).find(|word| word.starts_with("http")).expect("an address");
        let http = openstack::http::client(&openstack::http::ClientOptions::default()).expect("a client");
        Self { process, endpoint: format!("{words}/{PROJECT}"), data, http, _output: output }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.endpoint))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send(self.http.post(format!("{}{path}", self.endpoint)).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        // Of the trace of the tests, as a client may say.
        let request = request.header("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01"));
        let answer = request.header("x-auth-token", format!("demo:{PROJECT}")).send().await.expect("an answer");
        serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
    }

    /// Makes it and waits until it is available.
    pub(crate) async fn make(&self, noun: &str, body: Value) -> String {
        let made = self.post(&format!("/{noun}s"), json!({ noun: body })).await;
        let id = made[noun]["id"].as_str().expect("an id").to_owned();
        let deadline = Instant::now() + PATIENCE;
        while self.get(&format!("/{noun}s/{id}")).await[noun]["status"] != "available" {
            assert!(Instant::now() < deadline, "{noun} {id} does not become available");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        id
    }

    pub(crate) fn verify(&self, arguments: &[&str]) -> Output {
        self.run(&[&["verify"], arguments].concat())
    }

    /// The same binary as a client of the service.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .args(arguments)
            .env("OS_ENDPOINT", &self.endpoint)
            .env("OS_TOKEN", format!("demo:{PROJECT}"))
            .env_remove("OS_CLOUD")
            .output()
            .expect("the binary starts")
    }

    /// Where clients find it.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it has logged so far, line by line.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.data().join("log")).expect("a log");
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }
}
