//! Makes a volume: empty, or with the content of a snapshot or another volume of the same pool.

use domain::Result;
use proto::worker::create_volume::Source;
use proto::worker::{CreateVolume, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: CreateVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let pool = shop.pool(&volume.pool)?;
    match work.source {
        None => {
            // One that is there was made by an earlier attempt and may be in use.
            task.blocking(move || pool.create(volume.id, volume.size_bytes)).await?;
        }
        Some(Source::Snapshot(source)) => {
            let source = parts::snapshot(Some(source))?;
            task.blocking(move || pool.clone_snapshot(source.id, volume.id, volume.size_bytes)).await?;
        }
        Some(Source::SourceVolume(source)) => {
            let source = parts::volume(Some(source))?;
            task.blocking(move || pool.clone_volume(source.id, volume.id, volume.size_bytes)).await?;
        }
    }
    Ok(Done::default())
}
