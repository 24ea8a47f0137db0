//! Every committed row reaches the broker, whatever the broker does meanwhile.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use db::Database;
use db::outbox::Outgoing;
use domain::{Error, Kind, Result, Timestamp};
use messaging::{Broker, Consumer, Envelope, topology};
use outbox::Relay;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(60);

/// An empty database that lives as long as the test.
struct Bed {
    database: Database,
    shutdown: CancellationToken,
    _stop: DropGuard,
    directory: tempfile::TempDir,
}

impl Bed {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let connection = format!("sqlite://{}", directory.path().join("outbox.db").display());
        let database = Database::connect(&db::Config { connection, ..Default::default() }).await.unwrap();
        database.migrate().await.unwrap();
        let shutdown = CancellationToken::new();
        Self { database, shutdown: shutdown.clone(), _stop: shutdown.drop_guard(), directory }
    }

    fn relay(&self, broker: &Arc<dyn Broker>) -> outbox::Nudge {
        Relay::spawn(self.database.clone(), Arc::clone(broker), self.shutdown.clone())
    }

    async fn commit(&self, ids: impl Iterator<Item = usize>, queue: &str) {
        let mut transaction = self.database.begin("test rows").await.unwrap();
        for id in ids {
            db::outbox::insert(&mut transaction, &outgoing(id, queue), Timestamp::now()).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// Rows left, hidden or not, seen as from far in the future. Nothing is changed.
    async fn left(&self) -> usize {
        let mut transaction = self.database.begin("count rows").await.unwrap();
        let future = Timestamp::now().plus_secs(1_000_000);
        db::outbox::take(&mut transaction, future, future, 100_000).await.unwrap().len()
    }

    async fn until_empty(&self) {
        let emptying = async {
            while self.left().await > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, emptying).await.expect("the outbox empties");
    }
}

fn outgoing(id: usize, queue: &str) -> Outgoing {
    let traceparent = id.is_multiple_of(2).then(|| format!("00-{id:032x}-00f067aa0ba902b7-01"));
    Outgoing { id: format!("row-{id}"), queue: queue.into(), body: format!("{{\"job\":{id}}}"), traceparent }
}

/// Receives until every one of `count` rows was seen; how often each came.
async fn receive(broker: &Arc<dyn Broker>, count: usize) -> HashMap<String, usize> {
    let mut consumer = broker.consume(topology::JOBS, 100).await.unwrap();
    let mut seen = HashMap::new();
    while seen.len() < count {
        let delivery = timeout(PATIENCE, consumer.next()).await.expect("a message in time").unwrap();
        *seen.entry(delivery.envelope.message_id.clone()).or_default() += 1;
        delivery.ack().await.unwrap();
    }
    seen
}

#[tokio::test]
async fn rows_arrive_as_they_were_written() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    let nudge = bed.relay(&broker);
    let mut consumer = broker.consume(topology::JOBS, 10).await.unwrap();
    bed.commit(1..3, topology::JOBS).await;
    nudge.wake();
    for _ in 0..2 {
        let delivery = timeout(PATIENCE, consumer.next()).await.unwrap().unwrap();
        let id: usize = delivery.envelope.message_id.strip_prefix("row-").unwrap().parse().unwrap();
        let expected = outgoing(id, topology::JOBS);
        let Envelope { message_id, body, traceparent } = delivery.envelope.clone();
        assert_eq!((message_id, body, traceparent), (expected.id, expected.body.into(), expected.traceparent));
        delivery.ack().await.unwrap();
    }
    bed.until_empty().await;
}

#[tokio::test]
async fn a_forgotten_nudge_costs_a_moment_only() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    drop(bed.relay(&broker));
    bed.commit(0..1000, topology::JOBS).await;
    assert_eq!(receive(&broker, 1000).await.len(), 1000);
    bed.until_empty().await;
}

#[tokio::test]
async fn two_relays_leave_nothing() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    let (one, two) = (bed.relay(&broker), bed.relay(&broker));
    for start in (0..1500).step_by(100) {
        bed.commit(start..start + 100, topology::JOBS).await;
        one.wake();
        two.wake();
    }
    let seen = receive(&broker, 1500).await;
    assert!(seen.values().all(|times| *times == 1), "nothing failed, so nothing came twice");
    bed.until_empty().await;
}

#[tokio::test]
async fn an_outage_is_outlived() {
    let bed = Bed::new().await;
    let flaky = Arc::new(Flaky::new());
    let broker: Arc<dyn Broker> = flaky.clone();
    flaky.away.store(true, Ordering::Relaxed);
    let nudge = bed.relay(&broker);
    bed.commit(0..600, topology::JOBS).await;
    let nudged = async {
        loop {
            nudge.wake();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(1), nudged).await.unwrap_err();
    assert!(flaky.calls.load(Ordering::Relaxed) <= 10, "no busy loop: {:?}", flaky.calls);
    assert_eq!(bed.left().await, 600);

    // It comes back, but loses a message now and then.
    flaky.away.store(false, Ordering::Relaxed);
    flaky.limping.store(true, Ordering::Relaxed);
    assert_eq!(receive(&flaky.inner, 600).await.len(), 600);
    flaky.limping.store(false, Ordering::Relaxed);
    bed.until_empty().await;
}

#[tokio::test]
async fn workers_that_are_gone_do_not_clog() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    bed.commit(0..300, &topology::worker_queue("gone")).await;
    bed.commit(300..310, topology::JOBS).await;
    bed.relay(&broker).wake();
    assert_eq!(receive(&broker, 10).await.into_keys().collect::<HashSet<_>>().len(), 10);
    bed.until_empty().await;
}

#[tokio::test]
async fn one_unreachable_queue_does_not_stop_the_others() {
    let bed = Bed::new().await;
    let stuck = topology::worker_queue("stuck");
    let flaky = Arc::new(Flaky { stuck: Some(stuck.clone()), ..Flaky::new() });
    let broker: Arc<dyn Broker> = flaky.clone();
    // More than a batch of the oldest rows.
    bed.commit(0..600, &stuck).await;
    bed.commit(600..610, topology::JOBS).await;
    bed.relay(&broker).wake();
    assert_eq!(receive(&flaky.inner, 10).await.len(), 10);
    assert_eq!(bed.left().await, 600, "and what it is to hear waits");
}

#[tokio::test]
async fn what_a_worker_should_have_heard_long_ago_is_dropped() {
    let bed = Bed::new().await;
    let stuck = topology::worker_queue("stuck");
    let broker: Arc<dyn Broker> = Arc::new(Flaky { stuck: Some(stuck.clone()), ..Flaky::new() });
    let mut transaction = bed.database.begin("test rows").await.unwrap();
    let long_ago = Timestamp::now().minus_secs(120);
    db::outbox::insert(&mut transaction, &outgoing(0, &stuck), long_ago).await.unwrap();
    transaction.commit().await.unwrap();
    bed.relay(&broker).wake();
    bed.until_empty().await;
}

#[tokio::test]
async fn a_message_nobody_can_send_does_not_clog() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    let mut huge = outgoing(0, topology::JOBS);
    huge.body = "x".repeat(topology::MAX_BODY_BYTES + 1);
    let mut transaction = bed.database.begin("test rows").await.unwrap();
    db::outbox::insert(&mut transaction, &huge, Timestamp::now()).await.unwrap();
    transaction.commit().await.unwrap();
    bed.commit(1..3, topology::JOBS).await;
    bed.relay(&broker).wake();
    assert_eq!(receive(&broker, 2).await.len(), 2);
    bed.until_empty().await;
}

#[tokio::test]
async fn a_lost_queue_is_declared_again() {
    let (bed, broker) = (Bed::new().await, messaging::memory());
    bed.commit(0..5, "emberkeep.later").await;
    bed.relay(&broker).wake();
    bed.until_empty().await;
    let mut consumer = broker.consume("emberkeep.later", 5).await.unwrap();
    for _ in 0..5 {
        timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().ack().await.unwrap();
    }
}

mod real {
    use super::*;

    /// Through RabbitMQ, whose confirms are what a row waits for.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_reach_rabbitmq() {
        let url = std::env::var("EMBERKEEP_TEST_AMQP_URL").expect("EMBERKEEP_TEST_AMQP_URL names a RabbitMQ");
        let bed = Bed::new().await;
        let broker =
            messaging::connect(&messaging::Config { transport_url: url, ..Default::default() }, &bed.shutdown).unwrap();
        let queue = topology::worker_queue(bed.directory.path().to_str().unwrap());
        let mut consumer = broker.consume(&queue, 100).await.unwrap();
        bed.commit(0..500, &queue).await;
        bed.commit(500..510, &topology::worker_queue("gone")).await;
        bed.relay(&broker).wake();
        let mut seen = HashSet::new();
        while seen.len() < 500 {
            let delivery = timeout(PATIENCE, consumer.next()).await.expect("a message in time").unwrap();
            seen.insert(delivery.envelope.message_id.clone());
            delivery.ack().await.unwrap();
        }
        bed.until_empty().await;
        broker.close().await;
    }
}

/// A broker that can be away, or limp.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn Broker>,
    away: AtomicBool,
    limping: AtomicBool,
    /// Publishing to this queue fails.
    stuck: Option<String>,
    calls: AtomicUsize,
}

impl Flaky {
    fn new() -> Self {
        Self {
            inner: messaging::memory(),
            away: AtomicBool::new(false),
            limping: AtomicBool::new(false),
            stuck: None,
            calls: AtomicUsize::new(0),
        }
    }

    fn call(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let fails = self.away.load(Ordering::Relaxed) || self.limping.load(Ordering::Relaxed) && call % 30 == 29;
        if fails { Err(Error::new(Kind::Unavailable, "the message broker is away")) } else { Ok(()) }
    }
}

#[async_trait]
impl Broker for Flaky {
    async fn declare(&self, queue: &str) -> Result<()> {
        self.call()?;
        self.inner.declare(queue).await
    }

    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        self.call()?;
        if self.stuck.as_deref() == Some(queue) {
            return Err(Error::new(Kind::Unavailable, "the queue has no leader"));
        }
        self.inner.publish(queue, envelope).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.inner.consume(queue, prefetch).await
    }

    async fn healthy(&self) -> Result<()> {
        if self.away.load(Ordering::Relaxed) { Err(Error::unavailable("away")) } else { Ok(()) }
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
