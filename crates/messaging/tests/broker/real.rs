//! RabbitMQ itself: `EMBERKEEP_TEST_AMQP_URL` names it.

use std::collections::HashSet;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messaging::{Broker, Config, connect, topology};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::proxy::{Proxy, Weather};
use crate::suite;
use crate::support::{PATIENCE, envelope, eventually, fresh_queue, next, publish_stubbornly, text};

fn url() -> String {
    std::env::var("EMBERKEEP_TEST_AMQP_URL").expect("EMBERKEEP_TEST_AMQP_URL names a RabbitMQ")
}

fn broker(transport_url: String) -> Arc<dyn Broker> {
    connect(&Config { transport_url, ..Config::default() }, &CancellationToken::new()).unwrap()
}

/// A broker behind a proxy of its own.
async fn proxied() -> (Arc<Proxy>, Arc<dyn Broker>) {
    let mut url: url::Url = url().parse().unwrap();
    let upstream = (url.host_str().unwrap(), url.port().unwrap_or(5672)).to_socket_addrs().unwrap().next().unwrap();
    let proxy = Proxy::start(upstream).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    let broker = broker(url.into());
    (proxy, broker)
}

/// Threads the client library keeps, one a connection.
fn connection_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("lapin-io-loop"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_passes_the_suite() {
    suite::run(broker(url())).await;
    eventually("all connections closed", async || connection_threads() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_connections_break() {
    const MESSAGES: usize = 400;
    let (proxy, broker) = proxied().await;
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 8).await.unwrap();

    let publishing = stdx::task::spawn("publish", {
        let (broker, queue) = (Arc::clone(&broker), queue.clone());
        async move {
            for number in 0..MESSAGES {
                publish_stubbornly(&broker, &queue, envelope(&number.to_string())).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let storm = stdx::task::spawn("storm", {
        let proxy = Arc::clone(&proxy);
        async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                proxy.cut();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            proxy.set(Weather::Refusing);
            tokio::time::sleep(Duration::from_secs(2)).await;
            proxy.set(Weather::Fair);
        }
    });

    let mut seen = HashSet::new();
    while seen.len() < MESSAGES {
        let delivery = next(&mut consumer).await;
        seen.insert(text(&delivery));
        // An acknowledgement that comes too late only repeats the message.
        delivery.ack().await.unwrap_or_default();
    }
    publishing.await.unwrap();
    storm.await.unwrap();
    broker.close().await;
    drop(consumer);
    eventually("all connections closed", async || connection_threads() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_may_start_before_the_broker() {
    let (proxy, broker) = proxied().await;
    proxy.set(Weather::Refusing);
    assert!(broker.healthy().await.is_err());
    let queue = fresh_queue();
    let consuming = stdx::task::spawn("consume", {
        let (broker, queue) = (Arc::clone(&broker), queue.clone());
        async move { broker.consume(&queue, 1).await.unwrap() }
    });
    let started = Instant::now();
    let error = broker.publish(&queue, envelope("early")).await.unwrap_err();
    assert_eq!(error.kind(), domain::Kind::Unavailable);
    assert!(!messaging::is_unroutable(&error));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());

    proxy.set(Weather::Fair);
    let mut consumer = timeout(PATIENCE, consuming).await.unwrap().unwrap();
    eventually("healthy", async || broker.healthy().await.is_ok()).await;
    publish_stubbornly(&broker, &queue, envelope("in time")).await;
    assert_eq!(text(&next(&mut consumer).await), "in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_broker_is_noticed() {
    let (proxy, broker) = proxied().await;
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 4).await.unwrap();
    assert!(broker.healthy().await.is_ok());
    proxy.set(Weather::Frozen);
    assert!(broker.healthy().await.is_err());
    assert!(broker.publish(&queue, envelope("into the void")).await.is_err());
    // Attempts of before and of now may overlap for a moment, but they do not pile up.
    for _ in 0..6 {
        assert!(broker.healthy().await.is_err());
    }
    assert!(connection_threads() <= 6, "{} connections", connection_threads());
    proxy.set(Weather::Fair);
    proxy.cut();
    publish_stubbornly(&broker, &queue, envelope("heard")).await;
    loop {
        let delivery = next(&mut consumer).await;
        let heard = text(&delivery) == "heard";
        delivery.ack().await.unwrap_or_default();
        if heard {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_comes_back_with_its_consumer() {
    let broker = broker(url());
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 1).await.unwrap();
    let direct = lapin::Connection::connect(&url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = direct.create_channel().await.unwrap();
    channel.queue_delete(queue.as_str().into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    publish_stubbornly(&broker, &queue, envelope("after")).await;
    assert_eq!(text(&next(&mut consumer).await), "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_messages_do_no_harm() {
    let broker = broker(url());
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 4).await.unwrap();
    let direct = lapin::Connection::connect(&url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = direct.create_channel().await.unwrap();
    for body in [vec![0xff; topology::MAX_BODY_BYTES + 1], vec![0xff]] {
        let options = lapin::options::BasicPublishOptions::default();
        let properties = lapin::BasicProperties::default();
        channel.basic_publish("".into(), queue.as_str().into(), options, &body, properties).await.unwrap();
    }
    let delivery = next(&mut consumer).await;
    assert_eq!((delivery.envelope.message_id.as_str(), delivery.envelope.body.as_ref()), ("", &[0xff][..]));
    assert_eq!(delivery.envelope.traceparent, None);
    delivery.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_but_not_shown() {
    let mut url: url::Url = url().parse().unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let broker = broker(url.into());
    let error = broker.declare(&fresh_queue()).await.unwrap_err();
    let told = stdx::report::Chain(&error).to_string();
    assert!(told.contains("ACCESS_REFUSED") || told.contains("ACCESS-REFUSED"), "{told}");
    assert!(!format!("{told} {error:?}").contains("hunter2"));
}
