//! Takes an existing file into a pool as a snapshot and says how large it is.

use domain::Result;
use proto::worker::{Done, ManageSnapshot};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: ManageSnapshot) -> Result<Done> {
    let snapshot = parts::snapshot(work.snapshot)?;
    let volume = parts::volume(work.volume)?;
    let pool = shop.pool(&volume.pool)?;
    let adopt = move || pool.adopt_snapshot(&work.source, work.released, snapshot.id, volume.size_bytes);
    let size_bytes = task.blocking(adopt).await?;
    Ok(Done { size_gb: parts::size_gb(size_bytes)?, ..Done::default() })
}
