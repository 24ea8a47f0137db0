//! The broker inside the process.

use messaging::{Config, connect, memory};
use tokio_util::sync::CancellationToken;

use crate::suite;
use crate::support::{envelope, fresh_queue};

#[tokio::test]
async fn memory_passes_the_suite() {
    suite::run(memory()).await;
}

#[tokio::test]
async fn shutdown_ends_consumers_but_not_publishing() {
    let shutdown = CancellationToken::new();
    let broker = connect(&Config::default(), &shutdown).unwrap();
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 1).await.unwrap();
    shutdown.cancel();
    assert!(consumer.next().await.is_none());
    broker.publish(&queue, envelope("kept")).await.unwrap();
}

#[test]
fn urls_are_checked_and_never_repeated() {
    for url in ["", "http://user:hunter2@host", "amqp:hunter2", "amqps://user:hunter2@host:notaport/", "rabbit"] {
        let config = Config { transport_url: url.into(), ..Config::default() };
        let error = connect(&config, &CancellationToken::new()).unwrap_err();
        assert_eq!(error.kind(), domain::Kind::Invalid);
        let shown = format!("{error} {error:?} {config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let config = Config { transport_url: "amqp://user:hunter2@host:1/%2f".into(), ..Config::default() };
    let broker = connect(&config, &CancellationToken::new()).unwrap();
    assert!(!format!("{broker:?} {config:?}").contains("hunter2"));
}
