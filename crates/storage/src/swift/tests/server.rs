//! An HTTP server that answers a script: connection by connection, raw bytes, so that it can lie, stall and hang up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Result, Timestamp};
use openstack::{Credentials, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::swift::{Endpoint, SwiftOptions, SwiftStore};

/// What is done with one request other than for a token.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// These bytes, then the next request of the same connection.
    Bytes(String),
    /// These bytes, then the end of the connection.
    HangUp(String),
    /// These bytes, then silence.
    Stall(String),
    /// Reads no more of the request than its head, and says nothing.
    Deaf,
}

pub(super) fn answer(head: &str, body: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body_bytes: usize,
    pub(super) at: Timestamp,
}

impl Request {
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The server's memory. Requests for tokens are answered out of the script, with `token-1`, `token-2` and so on.
#[derive(Clone, Default, Debug)]
pub(super) struct Script(Arc<Mutex<Lines>>);

#[derive(Default, Debug)]
struct Lines {
    answers: Vec<Answer>,
    requests: Vec<Request>,
    tokens: u32,
}

impl Script {
    /// All requests but those for tokens.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().expect("no panic before").requests.clone()
    }

    fn next(&self, request: Request, address: &str) -> Answer {
        let mut lines = self.0.lock().expect("no panic before");
        if request.line().starts_with("GET /auth") {
            lines.tokens += 1;
            let number = lines.tokens;
            return answer(
                &format!("200 OK\r\nx-auth-token: token-{number}\r\nx-storage-url: http://{address}/v1/A"),
                "",
            );
        }
        lines.requests.push(request);
        if lines.answers.is_empty() { answer("500 The script is at its end", "") } else { lines.answers.remove(0) }
    }
}

/// A store in front of a server that gives these answers in order.
pub(super) async fn scripted(answers: Vec<Answer>) -> (SwiftStore, Script) {
    let script = Script(Arc::new(Mutex::new(Lines { answers, ..Lines::default() })));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let auth_url = format!("http://{address}/auth/v1.0");
    let serving = script.clone();
    drop(stdx::task::spawn("scripted swift", async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (script, address) = (serving.clone(), address.clone());
            drop(stdx::task::spawn("scripted connection", async move { serve(connection, &script, &address).await }));
        }
    }));
    let credentials = Credentials::TempAuth { auth_url, user: "u".to_owned(), key: Secret::new("k") };
    (store(credentials).expect("a store"), script)
}

pub(super) fn store(credentials: Credentials) -> Result<SwiftStore> {
    SwiftStore::new(SwiftOptions {
        credentials,
        endpoint: Endpoint::default(),
        create_containers: true,
        storage_policy: None,
        client: openstack::http::ClientOptions::default(),
        idle_timeout: Duration::from_millis(400),
        segment_bytes: 1 << 20,
    })
}

async fn serve(mut connection: TcpStream, script: &Script, address: &str) {
    while let Some(head) = read_head(&mut connection).await {
        let mut request = Request { head, body_bytes: 0, at: Timestamp::now() };
        let body_bytes: usize = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let deaf = matches!(script.0.lock().expect("no panic before").answers.first(), Some(Answer::Deaf));
        if !deaf {
            request.body_bytes = skip(&mut connection, body_bytes).await;
        }
        let (bytes, more) = match script.next(request, address) {
            Answer::Bytes(bytes) => (bytes, true),
            Answer::HangUp(bytes) => (bytes, false),
            Answer::Stall(bytes) => {
                write(&mut connection, &bytes).await;
                return std::future::pending().await;
            }
            Answer::Deaf => return std::future::pending().await,
        };
        write(&mut connection, &bytes).await;
        if !more {
            return;
        }
    }
}

async fn read_head(connection: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn skip(connection: &mut TcpStream, length_bytes: usize) -> usize {
    let mut buffer = vec![0; length_bytes];
    connection.read_exact(&mut buffer).await.unwrap_or(0)
}

async fn write(connection: &mut TcpStream, bytes: &str) {
    // The client may have gone away, which is its right.
    drop(connection.write_all(bytes.as_bytes()).await);
}
