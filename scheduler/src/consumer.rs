//! Takes what comes in a queue, one message after the other, and opens the queue again when that failed.

use std::time::Duration;

use messaging::{Broker, Delivery};
use stdx::backoff::Backoff;
use stdx::report::Chain;

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Until the broker is closed on purpose, when the process is about to end. At most `prefetch` messages are unsettled.
pub(crate) async fn consume<F: Future<Output = ()>>(
    broker: &dyn Broker,
    queue: &str,
    prefetch: u16,
    handle: impl Fn(Delivery) -> F,
) {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        match broker.consume(queue, prefetch).await {
            Ok(mut consumer) => {
                while let Some(delivery) = consumer.next().await {
                    handle(delivery).await;
                }
                return;
            }
            Err(error) => {
                tracing::warn!(queue, error = %Chain(&error), "messages cannot be received yet");
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }
}
