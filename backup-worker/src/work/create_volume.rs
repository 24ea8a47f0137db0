//! Makes a volume: empty, or with the content of a snapshot or another volume of the same pool.

use domain::Result;
use proto::worker::create_volume::Source;
use proto::worker::{CreateVolume, Done};

use super::{Workshop, blocking, parts};

pub(super) async fn perform(shop: &Workshop, work: CreateVolume) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let pool = shop.pool(&volume.pool)?;
    match work.source {
        None => blocking(move || pool.create(volume.id, volume.size_bytes)).await?,
        Some(Source::Snapshot(source)) => {
            let source = parts::snapshot(Some(source))?;
            blocking(move || pool.clone_snapshot(source.id, volume.id, volume.size_bytes)).await?;
        }
        Some(Source::SourceVolume(source)) => {
            let source = parts::volume(Some(source))?;
            blocking(move || pool.clone_volume(source.id, volume.id, volume.size_bytes)).await?;
        }
    }
    Ok(Done::default())
}
