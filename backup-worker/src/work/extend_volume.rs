//! Grows a volume.

use domain::Result;
use proto::worker::{Done, ExtendVolume};

use super::{Workshop, blocking, parts};

pub(super) async fn perform(shop: &Workshop, work: ExtendVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let new_size_bytes = parts::size_bytes(work.new_size_gb)?;
    let pool = shop.pool(&volume.pool)?;
    blocking(move || pool.extend(volume.id, new_size_bytes)).await?;
    Ok(Done::default())
}
