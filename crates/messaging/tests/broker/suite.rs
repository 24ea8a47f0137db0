//! What every broker does. Each check takes a broker and works on queues of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Kind;
use messaging::{Broker, topology};
use tokio::time::timeout;

use crate::support::{PATIENCE, envelope, eventually, fresh_queue, next, nothing_comes, text};

/// All checks, one after the other; the last closes the broker.
pub(crate) async fn run(broker: Arc<dyn Broker>) {
    envelopes_arrive_whole(&broker).await;
    acknowledged_messages_stay_away(&broker).await;
    dropped_deliveries_come_again(&broker).await;
    a_dropped_consumer_gives_back(&broker).await;
    rejected_messages_are_dead(&broker).await;
    endless_redelivery_ends(&broker).await;
    prefetch_bounds_what_is_out(&broker).await;
    undeclared_queues_are_unavailable(&broker).await;
    consumers_share(&broker).await;
    waiting_may_be_abandoned(&broker).await;
    oversized_messages_are_refused(&broker).await;
    closing_ends_everything(&broker).await;
}

async fn envelopes_arrive_whole(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    broker.declare(&queue).await.unwrap();
    broker.declare(&queue).await.unwrap();
    let mut sent = envelope("{\"job_id\":\"ü\"}");
    sent.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    broker.publish(&queue, sent.clone()).await.unwrap();
    let bare = envelope("");
    broker.publish(&queue, bare.clone()).await.unwrap();

    let mut consumer = broker.consume(&queue, 10).await.unwrap();
    for expected in [sent, bare] {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.envelope, expected);
        assert!(!delivery.redelivered);
        delivery.ack().await.unwrap();
    }
}

async fn acknowledged_messages_stay_away(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut first = broker.consume(&queue, 10).await.unwrap();
    broker.publish(&queue, envelope("once")).await.unwrap();
    next(&mut first).await.ack().await.unwrap();
    drop(first);
    let mut second = broker.consume(&queue, 10).await.unwrap();
    assert!(nothing_comes(&mut second).await);
}

async fn dropped_deliveries_come_again(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 1).await.unwrap();
    let sent = envelope("again");
    broker.publish(&queue, sent.clone()).await.unwrap();
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    assert_eq!(again.envelope, sent);
    again.reject(true).await.unwrap();
    let once_more = next(&mut consumer).await;
    assert!(once_more.redelivered);
    once_more.ack().await.unwrap();
}

async fn a_dropped_consumer_gives_back(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut first = broker.consume(&queue, 3).await.unwrap();
    for number in 0..5 {
        broker.publish(&queue, envelope(&number.to_string())).await.unwrap();
    }
    let held = next(&mut first).await;
    drop(first);
    drop(held);
    let mut second = broker.consume(&queue, 10).await.unwrap();
    let mut seen = HashSet::new();
    while seen.len() < 5 {
        let delivery = next(&mut second).await;
        seen.insert(text(&delivery));
        delivery.ack().await.unwrap();
    }
}

async fn rejected_messages_are_dead(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 1).await.unwrap();
    let sent = envelope("poison");
    broker.publish(&queue, sent.clone()).await.unwrap();
    next(&mut consumer).await.reject(false).await.unwrap();
    assert_dead(broker, &sent.message_id).await;
    assert!(nothing_comes(&mut consumer).await);
}

async fn endless_redelivery_ends(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 1).await.unwrap();
    let sent = envelope("poison");
    broker.publish(&queue, sent.clone()).await.unwrap();
    let mut deliveries = 0;
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(2), consumer.next()).await {
        deliveries += 1;
        delivery.reject(true).await.unwrap();
    }
    assert_eq!(deliveries, topology::DELIVERY_LIMIT + 1);
    assert_dead(broker, &sent.message_id).await;
}

/// Other tests may have dead letters at the same broker: theirs go back untouched.
async fn assert_dead(broker: &Arc<dyn Broker>, message_id: &str) {
    let mut dead = broker.consume(topology::DEAD, 1000).await.unwrap();
    let mut others = Vec::new();
    loop {
        let delivery = next(&mut dead).await;
        if delivery.envelope.message_id == message_id {
            delivery.ack().await.unwrap();
            return;
        }
        others.push(delivery);
    }
}

async fn prefetch_bounds_what_is_out(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 2).await.unwrap();
    for number in 0..5 {
        broker.publish(&queue, envelope(&number.to_string())).await.unwrap();
    }
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    assert!(nothing_comes(&mut consumer).await);
    first.ack().await.unwrap();
    let third = next(&mut consumer).await;
    assert!(nothing_comes(&mut consumer).await);
    second.ack().await.unwrap();
    third.ack().await.unwrap();
    for _ in 0..2 {
        next(&mut consumer).await.ack().await.unwrap();
    }
}

async fn undeclared_queues_are_unavailable(broker: &Arc<dyn Broker>) {
    let error = broker.publish(&fresh_queue(), envelope("lost")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(messaging::is_unroutable(&error), "{error}");
    assert!(broker.healthy().await.is_ok(), "the broker itself is well");
}

async fn consumers_share(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut left = broker.consume(&queue, 1).await.unwrap();
    let mut right = broker.consume(&queue, 1).await.unwrap();
    for number in 0..20 {
        broker.publish(&queue, envelope(&number.to_string())).await.unwrap();
    }
    let mut seen = HashSet::new();
    for _ in 0..10 {
        // Both hold one at the same time: neither is starved.
        let (one, other) = (next(&mut left).await, next(&mut right).await);
        seen.extend([text(&one), text(&other)]);
        one.ack().await.unwrap();
        other.ack().await.unwrap();
    }
    assert_eq!(seen.len(), 20);
}

async fn waiting_may_be_abandoned(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    let mut consumer = broker.consume(&queue, 4).await.unwrap();
    let mut seen = Vec::new();
    for number in 0..40 {
        broker.publish(&queue, envelope(&number.to_string())).await.unwrap();
        if let Ok(Some(delivery)) = timeout(Duration::from_micros(number * 50), consumer.next()).await {
            seen.push(text(&delivery));
            delivery.ack().await.unwrap();
        }
    }
    while seen.len() < 40 {
        let delivery = next(&mut consumer).await;
        assert!(!delivery.redelivered);
        seen.push(text(&delivery));
        delivery.ack().await.unwrap();
    }
    assert_eq!(seen, (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn oversized_messages_are_refused(broker: &Arc<dyn Broker>) {
    let queue = fresh_queue();
    broker.declare(&queue).await.unwrap();
    let error = broker.publish(&queue, envelope(&"x".repeat(topology::MAX_BODY_BYTES + 1))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    broker.publish(&queue, envelope(&"x".repeat(topology::MAX_BODY_BYTES))).await.unwrap();
}

async fn closing_ends_everything(broker: &Arc<dyn Broker>) {
    eventually("healthy", async || broker.healthy().await.is_ok()).await;
    let queue = fresh_queue();
    let mut waiting = broker.consume(&queue, 1).await.unwrap();
    let ended = stdx::task::spawn("waiting consumer", async move { waiting.next().await.is_none() });
    broker.close().await;
    assert!(timeout(PATIENCE, ended).await.unwrap().unwrap());
    assert_eq!(broker.publish(&queue, envelope("late")).await.unwrap_err().kind(), Kind::Unavailable);
    assert!(broker.consume(&queue, 1).await.is_err());
    assert!(broker.healthy().await.is_err());
}
