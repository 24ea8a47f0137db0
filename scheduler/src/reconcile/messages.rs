//! User messages whose time is over.

use domain::{Result, Timestamp};

use crate::core::Core;

const MESSAGES_AT_ONCE: i64 = 1000;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let mut tx = core.database.begin("reap expired messages").await?;
    let reaped = db::messages::reap(&mut tx, now, MESSAGES_AT_ONCE).await?;
    tx.commit().await?;
    if reaped > 0 {
        tracing::info!(reaped, "expired messages removed");
    }
    Ok(())
}
