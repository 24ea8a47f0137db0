//! Keeps a volume's content of this instant.

use domain::Result;
use proto::worker::{CreateSnapshot, Done};

use super::{Workshop, blocking, parts};

pub(super) async fn perform(shop: &Workshop, work: CreateSnapshot) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let snapshot = parts::snapshot(work.snapshot)?;
    let pool = shop.pool(&volume.pool)?;
    blocking(move || pool.snapshot(volume.id, snapshot.id)).await?;
    Ok(Done::default())
}
