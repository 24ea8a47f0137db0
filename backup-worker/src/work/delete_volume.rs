//! Removes a volume, with the frozen copies of it and with a cascade its snapshots first.

use domain::Result;
use proto::worker::{DeleteVolume, Done};

use super::{Task, Workshop, parts};
use crate::frozen;

pub(super) async fn perform(shop: &Workshop, task: &Task, work: DeleteVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    // Never placed: there is nothing to remove.
    if volume.pool.is_empty() {
        return Ok(Done::default());
    }
    // Taken out of management with its bytes: they stay where they are, whoever reaches them.
    if work.keep_data {
        if let Ok(pool) = shop.pool(&volume.pool) {
            task.blocking(move || frozen::thaw(&*pool, |copy| copy.volume == volume.id)).await?;
        }
        return Ok(Done::default());
    }
    let snapshots: Vec<_> =
        work.snapshots.into_iter().map(|part| parts::snapshot(Some(part))).collect::<Result<_>>()?;
    let pool = shop.pool(&volume.pool)?;
    task.blocking(move || {
        frozen::thaw(&*pool, |copy| copy.volume == volume.id)?;
        for snapshot in &snapshots {
            pool.delete_snapshot(snapshot.id)?;
        }
        pool.delete(volume.id)
    })
    .await?;
    Ok(Done::default())
}
