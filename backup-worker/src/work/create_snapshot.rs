//! Keeps a volume's content of this instant.

use domain::Result;
use proto::worker::{CreateSnapshot, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: CreateSnapshot) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let snapshot = parts::snapshot(work.snapshot)?;
    let pool = shop.pool(&volume.pool)?;
    task.blocking(move || pool.snapshot(volume.id, snapshot.id)).await?;
    Ok(Done::default())
}
