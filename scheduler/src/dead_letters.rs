//! Takes dead letters from the broker into the database, where operators see them and send them again.

use std::sync::Arc;
use std::time::Duration;

use db::dead_letters::{self, DeadLetter};
use domain::{Result, Timestamp};
use messaging::{Broker, Delivery, topology};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio_util::sync::CancellationToken;

use crate::consumer;
use crate::core::Core;

/// Unsettled letters at once.
const PREFETCH: u16 = 8;
/// Characters of a body that are kept.
const BODY_MAX: usize = 4096;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

pub(crate) fn spawn(core: Arc<Core>, broker: Arc<dyn Broker>, shutdown: CancellationToken) {
    stdx::task::spawn("dead letters", async move {
        let consumed = consumer::consume(broker.as_ref(), topology::DEAD, PREFETCH, |delivery| keep(&core, delivery));
        shutdown.run_until_cancelled(consumed).await;
    });
}

/// Until the database takes it: the broker has no better place for it.
async fn keep(core: &Core, delivery: Delivery) {
    let letter = letter(&delivery, Timestamp::now());
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    while let Err(error) = insert(core, &letter).await {
        tracing::warn!(error = %Chain(&error), "a dead letter is not kept yet");
        tokio::time::sleep(backoff.next_delay()).await;
    }
    tracing::error!(message_id = letter.id, "a message that nobody could handle was put by");
    if let Err(error) = delivery.ack().await {
        tracing::debug!(error = %Chain(&error), "dead letter not settled; it comes again");
    }
}

async fn insert(core: &Core, letter: &DeadLetter) -> Result<()> {
    let mut tx = core.database.begin("keep dead letter").await?;
    dead_letters::insert(&mut tx, letter).await?;
    tx.commit().await
}

fn letter(delivery: &Delivery, now: Timestamp) -> DeadLetter {
    let text = |text: &str| text.chars().filter(|character| *character != '\0').take(BODY_MAX).collect::<String>();
    let body = text(&String::from_utf8_lossy(&delivery.envelope.body));
    let id = match text(&delivery.envelope.message_id) {
        id if id.is_empty() => format!("unnamed-{}", now.micros()),
        id => id,
    };
    DeadLetter { id, body, created_at: now }
}
