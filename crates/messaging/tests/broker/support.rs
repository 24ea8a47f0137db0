//! Small helpers: names nobody else uses, messages, and waits with an end.

use std::sync::Arc;
use std::time::Duration;

use messaging::{Broker, Consumer, Delivery, Envelope, topology};
use tokio::time::timeout;

/// Long enough for a slow machine; reached only by a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long "nothing comes" is watched.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A worker's queue, so that a real broker forgets it by itself.
pub(crate) fn fresh_queue() -> String {
    topology::worker_queue(&uuid::Uuid::new_v4().to_string())
}

pub(crate) fn envelope(text: &str) -> Envelope {
    Envelope { message_id: uuid::Uuid::new_v4().to_string(), body: text.to_owned().into(), traceparent: None }
}

pub(crate) async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    timeout(PATIENCE, consumer.next()).await.expect("a message in time").expect("an open broker")
}

pub(crate) async fn nothing_comes(consumer: &mut Box<dyn Consumer>) -> bool {
    timeout(SILENCE, consumer.next()).await.is_err()
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.envelope.body.to_vec()).unwrap()
}

/// Repeats a publish until the broker takes it, as the outbox does.
pub(crate) async fn publish_stubbornly(broker: &Arc<dyn Broker>, queue: &str, envelope: Envelope) {
    let publishing = async {
        while let Err(error) = broker.publish(queue, envelope.clone()).await {
            assert_eq!(error.kind(), domain::Kind::Unavailable, "{error}");
        }
    };
    timeout(PATIENCE, publishing).await.expect("the broker takes messages again");
}

/// Polls until `holds` is true.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let polling = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, polling).await.unwrap_or_else(|_| panic!("never: {what}"));
}
