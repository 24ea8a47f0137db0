//! Gives a volume back what its latest snapshot holds.

use domain::Result;
use proto::worker::{Done, RevertVolume};

use super::{Task, Workshop, check, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: RevertVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let snapshot = parts::snapshot(work.snapshot)?;
    let pool = shop.pool(&volume.pool)?;
    // Copying may outlast the lease; whoever has the volume by then must not find it replaced.
    let stop = task.stop.clone();
    task.blocking(move || pool.revert(volume.id, snapshot.id, &|| check(&stop))).await?;
    Ok(Done::default())
}
