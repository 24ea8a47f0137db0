//! Removes a snapshot.

use domain::Result;
use proto::worker::{DeleteSnapshot, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: DeleteSnapshot) -> Result<Done> {
    let snapshot = parts::snapshot(work.snapshot)?;
    // Its volume was never placed, or the snapshot goes out of management with its bytes: there is nothing to remove.
    if work.keep_data || snapshot.pool.is_empty() {
        return Ok(Done::default());
    }
    let pool = shop.pool(&snapshot.pool)?;
    task.blocking(move || pool.delete_snapshot(snapshot.id)).await?;
    Ok(Done::default())
}
