//! Takes an existing file or block device into a pool and says how large it is.

use domain::Result;
use proto::worker::{Done, ManageVolume};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: ManageVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let pool = shop.pool(&volume.pool)?;
    let size_bytes = task.blocking(move || pool.adopt(&work.source, work.released, volume.id)).await?;
    Ok(Done { size_gb: parts::size_gb(size_bytes)?, ..Done::default() })
}
