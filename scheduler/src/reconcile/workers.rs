//! Worker processes that were not heard of for as long as the broker keeps their queue.

use domain::{Result, Timestamp};
use messaging::topology::WORKER_QUEUE_EXPIRES_MS;

use crate::core::Core;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let before = now.minus_secs(WORKER_QUEUE_EXPIRES_MS / 1000);
    let mut tx = core.database.begin("forget dead workers").await?;
    let forgotten = db::workers::prune(&mut tx, before).await?;
    tx.commit().await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "dead workers forgotten");
    }
    Ok(())
}
