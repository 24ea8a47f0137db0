//! Hints from the queue: a job was queued. What can never be done is refused now, worker or not, and the round comes now and
//! not only at the next tick.
//!
//! A hint gives no job to a worker: then the jobs of who asks most would come before those of who waits longest. It is
//! acknowledged whatever comes of it: the row says what is true, and the round looks at all queued rows.

use std::sync::Arc;

use db::outbox::Hint;
use domain::{JobId, Result, Timestamp};
use messaging::{Broker, Delivery, topology};
use stdx::report::Chain;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::core::Core;
use crate::{consumer, place};

/// Unsettled hints at once.
const PREFETCH: u16 = 32;

pub(crate) fn spawn(core: Arc<Core>, broker: Arc<dyn Broker>, shutdown: CancellationToken) {
    stdx::task::spawn("job hints", async move {
        let consumed = consumer::consume(broker.as_ref(), topology::JOBS, PREFETCH, |delivery| handle(&core, delivery));
        shutdown.run_until_cancelled(consumed).await;
    });
}

pub(crate) async fn handle(core: &Core, delivery: Delivery) {
    let settled = match parse(&delivery) {
        Some(id) => {
            let span = tracing::info_span!("look at job", job_id = %id);
            chassis::trace::continue_from(&span, delivery.envelope.traceparent.as_deref());
            if let Err(error) = look_at(core, id).instrument(span).await {
                tracing::warn!(job_id = %id, error = %Chain(&error), "job not looked at; the round will");
            }
            core.wake_round();
            delivery.ack().await
        }
        None => {
            tracing::error!(message_id = delivery.envelope.message_id, "malformed job hint goes to the dead letters");
            delivery.reject(false).await
        }
    };
    if let Err(error) = settled {
        tracing::debug!(error = %Chain(&error), "hint not settled; it comes again");
    }
}

fn parse(delivery: &Delivery) -> Option<JobId> {
    let hint: Hint = serde_json::from_slice(&delivery.envelope.body).ok()?;
    hint.job_id.parse().ok()
}

async fn look_at(core: &Core, id: JobId) -> Result<()> {
    let now = Timestamp::now();
    let mut fleet = place::fleet(core, now).await?.without_room();
    place::place(core, id, &mut fleet, now).await.map(drop)
}
