//! Copies a volume into another pool. What it was copied from stays: it goes when the scheduler has noted the new place.

use std::sync::Arc;

use domain::Result;
use proto::worker::{Done, MoveVolume};

use super::{Task, Workshop, check, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: MoveVolume) -> Result<Done> {
    let from = parts::volume(work.from)?;
    let Some(to) = work.to else { return Ok(Done::default()) };
    let to = parts::volume(Some(to))?;
    let (source, target) = (shop.pool(&from.pool)?, shop.pool(&to.pool)?);
    let (entry, stop) = (Arc::clone(&task.entry), task.stop.clone());
    task.blocking(move || {
        let device = source.open_volume(from.id)?;
        let size_bytes = device.size_bytes();
        let progress = |done_bytes| {
            entry.progress(done_bytes, size_bytes);
            check(&stop)
        };
        target.import(device.as_ref(), to.id, &progress)
    })
    .await?;
    Ok(Done::default())
}
