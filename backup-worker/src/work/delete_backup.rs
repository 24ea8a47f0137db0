//! Removes a backup's objects, and the frozen copy of its volume if there is one.

use std::sync::Arc;

use domain::Result;
use proto::worker::{DeleteBackup, Done};
use stdx::report::Chain;

use super::parts::{self, present};
use super::{Task, Workshop};
use crate::frozen;

pub(super) async fn perform(shop: &Workshop, task: &Task, work: DeleteBackup) -> Result<Done> {
    let backup = present(work.backup)?;
    let id = parts::backup_id(&backup)?;
    for pool in shop.pools.values() {
        let pool = Arc::clone(pool);
        if let Err(error) = task.blocking(move || frozen::thaw(&*pool, |copy| copy.backup == id)).await {
            tracing::warn!(error = %Chain(&error), "a frozen copy of the backup's volume may stay");
        }
    }
    // No worker ever began it: there are no objects (contract §2.6).
    if backup.prefix.is_none() {
        return Ok(Done::default());
    }
    parts::check_service("Delete", shop.store.service(), &backup)?;
    let place = parts::layer(&backup)?;
    shop.operations.delete(&shop.context(task, &task.stop), &place.container, &place.prefix).await?;
    Ok(Done::default())
}
