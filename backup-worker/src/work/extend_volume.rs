//! Grows a volume.

use domain::Result;
use proto::worker::{Done, ExtendVolume};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: ExtendVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let new_size_bytes = parts::size_bytes(work.new_size_gb)?;
    let pool = shop.pool(&volume.pool)?;
    task.blocking(move || pool.extend(volume.id, new_size_bytes)).await?;
    Ok(Done::default())
}
