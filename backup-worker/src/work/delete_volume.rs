//! Removes a volume, and with a cascade its snapshots first.

use domain::Result;
use proto::worker::{DeleteVolume, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: DeleteVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    // Never placed, or taken out of management with its bytes: there is nothing to remove.
    if work.keep_data || volume.pool.is_empty() {
        return Ok(Done::default());
    }
    let snapshots: Vec<_> =
        work.snapshots.into_iter().map(|part| parts::snapshot(Some(part))).collect::<Result<_>>()?;
    let pool = shop.pool(&volume.pool)?;
    task.blocking(move || {
        for snapshot in &snapshots {
            pool.delete_snapshot(snapshot.id)?;
        }
        pool.delete(volume.id)
    })
    .await?;
    Ok(Done::default())
}
