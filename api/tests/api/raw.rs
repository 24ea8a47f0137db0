//! Bytes on a real connection: what no HTTP library would send, and what only looks like HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{OURS, World};

const PATIENCE: Duration = Duration::from_secs(20);
/// Says that it is a secret wherever it turns up.
const TOKEN: &str = "hunter2:aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa";

struct Server {
    world: World,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        let world = World::new().await;
        world.member().volume(1).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let served = axum::serve(listener, world.service()).with_graceful_shutdown(stop.clone().cancelled_owned());
        drop(stdx::task::spawn("raw", async { served.await.expect("served") }));
        Self { world, address, stop }
    }

    /// Sends bytes, and reads until the other side has said all.
    async fn say(&self, bytes: &[u8]) -> String {
        self.talk(bytes, false).await
    }

    /// The same, and hangs up when all is sent: the other side may be waiting for more, or go without a word.
    async fn say_and_leave(&self, bytes: &[u8]) -> String {
        self.talk(bytes, true).await
    }

    async fn talk(&self, bytes: &[u8], leaves: bool) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let mut heard = Vec::new();
        let talk = async {
            let (mut reader, mut writer) = stream.split();
            let write = async {
                let sent = writer.write_all(bytes).await;
                if leaves { sent.and(writer.shutdown().await) } else { sent }
            };
            tokio::join!(write, reader.read_to_end(&mut heard))
        };
        let _hung_up = tokio::time::timeout(PATIENCE, talk).await.expect("an answer or an end");
        String::from_utf8_lossy(&heard).into_owned()
    }
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "))?.get(..3)?.parse().ok()
}

/// A request's head with these lines added.
fn head(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Auth-Token: {TOKEN}\r\n{lines}\r\n")
}

/// What must be refused, and with what; `None` where hanging up without a word will do, or where the word can get lost
/// because much that was sent is never read.
fn refused() -> Vec<(&'static str, Vec<u8>, Option<u16>)> {
    let create = |lines: &str, body: &[u8]| {
        let json = format!("Content-Type: application/json\r\n{lines}");
        [head("POST", "/v3/volumes", &json).as_bytes(), body].concat()
    };
    let sized = |body: &[u8]| create(&format!("Content-Length: {}\r\n", body.len()), body);
    let volume = br#"{"volume": {"size": 1}}"#;
    let deep = format!("{}1{}", r#"{"volume":"#.repeat(30_000), "}".repeat(30_000)).into_bytes();
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes();
    let long = "a".repeat(20_000);
    vec![
        ("ten megabytes", sized(&vec![b' '; 10 << 20]), None),
        ("ten megabytes in pieces", chunked(create("Transfer-Encoding: chunked\r\n", b""), 10 << 20), None),
        ("announced and never sent", create("Content-Length: 99999999\r\n", b"{"), Some(413)),
        ("less than announced", create("Content-Length: 1000\r\n", volume), None),
        ("deep objects", sized(&deep), Some(413)),
        ("deep lists", sized(&nested), Some(400)),
        ("a NUL in a name", sized(br#"{"volume": {"size": 1, "name": "a\u0000b"}}"#), Some(400)),
        ("a raw NUL", sized(b"{\"volume\": {\"size\": 1, \"name\": \"a\0b\"}}"), Some(400)),
        ("broken UTF-8 in a name", sized(b"{\"volume\": {\"size\": 1, \"name\": \"\xff\xfe\"}}"), Some(400)),
        ("half a surrogate", sized(br#"{"volume": {"size": 1, "name": "\ud83d"}}"#), Some(400)),
        ("two bodies", sized(br#"{"volume": {"size": 1}} {"volume": {"size": 1}}"#), Some(400)),
        ("two lengths", create("Content-Length: 23\r\nContent-Length: 5\r\n", volume), None),
        ("a length below zero", create("Content-Length: -1\r\n", volume), None),
        ("length and pieces", create("Content-Length: 23\r\nTransfer-Encoding: gzip\r\n", volume), None),
        ("two media types", create("Content-Type: text/xml\r\nContent-Length: 0\r\n", b""), Some(400)),
        (
            "a foreign media type",
            head("POST", "/v3/volumes", "Content-Type: text/xml\r\nContent-Length: 23\r\n")
                .into_bytes()
                .into_iter()
                .chain(*volume)
                .collect(),
            Some(415),
        ),
        ("broken UTF-8 in the path", head("GET", "/v3/volumes/%ff%fe", "").into_bytes(), Some(404)),
        ("raw bytes in the path", [b"GET /v3/volumes/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n".as_slice()].concat(), None),
        ("a NUL in the path", head("GET", "/v3/volumes/%00", "").into_bytes(), Some(404)),
        ("up and away", head("GET", "/v3/volumes/../../etc/passwd", "").into_bytes(), Some(404)),
        ("up and away, encoded", head("GET", "/v3/volumes/..%2f..%2f", "").into_bytes(), Some(404)),
        ("a line break in the path", head("GET", "/v3/volumes/a%0d%0aX-Evil:%201", "").into_bytes(), Some(404)),
        ("a long path", head("GET", &format!("/v3/volumes/{long}"), "").into_bytes(), Some(404)),
        ("a path beyond measure", head("GET", &format!("/v3/volumes/{}", "a".repeat(200_000)), "").into_bytes(), None),
        ("a NUL in the query", head("GET", "/v3/volumes?name=%00", "").into_bytes(), Some(400)),
        ("a long query", head("GET", &format!("/v3/volumes?limit={long}x"), "").into_bytes(), Some(400)),
        (
            "two microversions",
            head("GET", "/v3/volumes", "OpenStack-API-Version: volume\r\nOpenStack-API-Version: volume 3.1\r\n")
                .into_bytes(),
            Some(400),
        ),
        ("a NUL in a header", head("GET", "/v3/volumes", "X-Other: a\0b\r\n").into_bytes(), None),
        (
            "a header of a megabyte",
            head("GET", "/v3/volumes", &format!("X-Other: {}\r\n", "a".repeat(1 << 20))).into_bytes(),
            None,
        ),
        ("a thousand headers", head("GET", "/v3/volumes", &"X-Other: 1\r\n".repeat(1000)).into_bytes(), None),
        (
            "another project's path",
            head("GET", "/v3/bbbbbbbbbbbb4bbb8bbbbbbbbbbbbbbb/volumes", "").into_bytes(),
            Some(400),
        ),
        ("a tunnel", b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), None),
        ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), None),
        ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), None),
        ("no protocol at all", b"hello\r\n\r\n".to_vec(), None),
    ]
}

/// A body of spaces in pieces of 4 KiB.
fn chunked(mut request: Vec<u8>, length: usize) -> Vec<u8> {
    for _ in 0..length / 4096 {
        request.extend_from_slice(b"1000\r\n");
        request.extend_from_slice(&[b' '; 4096]);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn nothing_comes_of_it() {
    let server = Server::start().await;
    let before = server.world.rows().await;
    for (what, bytes, expected) in refused() {
        let answer = match expected {
            Some(_) => server.say(&bytes).await,
            None => server.say_and_leave(&bytes).await,
        };
        let got = status(&answer);
        assert!(got.is_none_or(|status| (400..500).contains(&status)), "{what}: {answer}");
        if let Some(expected) = expected {
            assert_eq!(got, Some(expected), "{what}: {answer}");
            let fault = answer.contains(&format!("\"code\":{expected},\"message\":\""));
            assert!(fault || answer.contains("<html>"), "{what}: {answer}");
        }
        assert!(!answer.to_lowercase().contains("\r\nx-evil"), "{what}: {answer}");
        assert!(server.world.rows().await == before, "{what} changed something");
        let health = server.say(b"GET /healthcheck HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
        assert_eq!(status(&health), Some(200), "after {what}");
    }
}

/// A second request that hides in the first one's body is never obeyed.
#[tokio::test]
async fn a_hidden_request_is_a_body() {
    let server = Server::start().await;
    let before = server.world.rows().await;
    let volume = r#"{"volume": {"size": 1}}"#;
    let hidden = format!(
        "POST /v3/volumes HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{volume}",
        volume.len()
    );
    let ambiguous = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
        " Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ];
    for lines in ambiguous {
        let request = format!(
            "GET /v3/volumes/none HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {TOKEN}\r\n{lines}\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n\
             GET /healthcheck HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            hidden.len()
        );
        server.say(request.as_bytes()).await;
        assert!(server.world.rows().await == before, "{lines:?} let a request through");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("a log"));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Each refusal is one line of the log, and neither the token nor the body is in it.
#[tokio::test]
async fn a_refusal_is_logged_once_and_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    let body = r#"{"volume": {"size": 0, "name": "hunter2"}}"#;
    let requests = [
        head("POST", "/v3/volumes", &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()))
            + body,
        head("GET", "/v3/volumes/none?name=hunter2", ""),
        head("GET", "/v3/volumes?limit=hunter2", ""),
        head("GET", "/v3/volumes", "OpenStack-API-Version: volume 9.9\r\n"),
        head("GET", &format!("/v3/{OURS}/nothing"), "X-Openstack-Request-Id: hunter2\r\ntraceparent: hunter2\r\n"),
        "GET /v3/volumes HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Auth-Token: :hunter2\r\n\r\n".to_owned(),
    ];
    log.take();
    for request in requests {
        let answer = server.say(request.as_bytes()).await;
        let status = status(&answer).expect("an answer");
        assert!((400..500).contains(&status), "{answer}");
        let said = log.take();
        let about: Vec<&str> = said.lines().filter(|line| line.contains("request{")).collect();
        assert_eq!(about.len(), 1, "{said}");
        assert!(about[0].contains(&format!("status={status}")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
