//! Removes a snapshot.

use domain::Result;
use proto::worker::{DeleteSnapshot, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: DeleteSnapshot) -> Result<Done> {
    let snapshot = parts::snapshot(work.snapshot)?;
    let whole = work.group_snapshot_id.as_deref().map(proto::parse_group_snapshot_id).transpose()?;
    // Its volume was never placed, or the snapshot goes out of management with its bytes: there is nothing to remove.
    if work.keep_data || snapshot.pool.is_empty() {
        return Ok(Done::default());
    }
    let pool = shop.pool(&snapshot.pool)?;
    task.blocking(move || {
        if let Some(whole) = whole {
            pool.forget_group(whole)?;
        }
        pool.delete_snapshot(snapshot.id)
    })
    .await?;
    Ok(Done::default())
}
