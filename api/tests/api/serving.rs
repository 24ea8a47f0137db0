//! The listener: who may bind where, and how the service ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    deps: api::Deps,
    shutdown: CancellationToken,
    _directory: tempfile::TempDir,
}

async fn server() -> Server {
    let directory = tempfile::tempdir().expect("a directory");
    let connection = format!("sqlite://{}", directory.path().join("api.db").display());
    let database =
        db::Database::connect(&db::Config { connection, ..db::Config::default() }).await.expect("a database");
    database.migrate().await.expect("a schema");
    let shutdown = CancellationToken::new();
    let nudge = outbox::Relay::spawn(database.clone(), messaging::memory(), shutdown.clone());
    Server { deps: api::Deps { database, nudge }, shutdown, _directory: directory }
}

#[tokio::test]
async fn noauth_is_for_loopback_unless_told_otherwise() {
    let remote = api::Config { listen: "0.0.0.0:0".into(), ..api::Config::default() };
    let refusal = api::bind(&remote).await.expect_err("refused");
    assert!(refusal.message().contains("allow_remote_noauth"), "{refusal}");
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a listener");
    let server = server().await;
    let refusal = api::serve(server.deps, remote.clone(), listener, server.shutdown).await.expect_err("refused");
    assert!(refusal.message().contains("allow_remote_noauth"), "{refusal}");
    api::bind(&api::Config { allow_remote_noauth: true, ..remote }).await.expect("allowed");
    let nonsense = api::Config { listen: "nowhere".into(), ..api::Config::default() };
    assert!(api::bind(&nonsense).await.expect_err("no port").message().contains("[api] listen"));
}

#[tokio::test]
async fn it_answers_until_it_is_told_to_stop() {
    let server = server().await;
    let config = api::Config { listen: "127.0.0.1:0".into(), ..api::Config::default() };
    let listener = api::bind(&config).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let running = stdx::task::spawn("api", api::serve(server.deps, config, listener, server.shutdown.clone()));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(b"GET /healthcheck HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    let mut start = [0; 15];
    stream.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    // An idle connection does not keep the service alive.
    server.shutdown.cancel();
    let ended = tokio::time::timeout(DEADLINE, running).await.expect("in time").expect("no panic");
    ended.expect("a good end");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_refused() {
    let server = server().await;
    let config = api::Config { project_id_regex: "(".into(), ..api::Config::default() };
    let refusal = api::service(server.deps, config).expect_err("refused");
    assert!(refusal.message().contains("project_id_regex"));
}
